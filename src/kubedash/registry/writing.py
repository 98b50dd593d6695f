"""What changes a registry: manifests put and deleted, small blobs pushed, tags deleted Harbor's way.

Nothing here decides anything: what may go, and what has to be looked at before and after,
is for `kubedash.policy.deletion` and the workflows. No request of these is repeated on a
doubt: whoever asked looks at what the registry has now.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import hdrs

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.registry.addresses import resolve_upload, shown
from kubedash.registry.errors import DigestMismatch, Unreadable
from kubedash.registry.keyring import NO_SCOPE, delete_scope, push_scope
from kubedash.registry.transport import Ask, Transport
from kubedash.registry.wire import Answer

DIGEST_HEADER: Final = "Docker-Content-Digest"
SUBJECT_HEADER: Final = "OCI-Subject"
MAX_SMALL_BLOB: Final = 4 * 1024 * 1024
OCTETS: Final = "application/octet-stream"
_MADE: Final = frozenset({200, 201, 202, 204})
_GONE: Final = frozenset({200, 202, 204})


class PutManifest(msgspec.Struct, frozen=True):
    """What the registry said of a manifest that it took."""

    digest: Digest
    subject: Digest | None
    """Set where the registry noted the manifest as a referrer of it by itself (`OCI-Subject`)."""


class Writing:
    """The half of a registry's client that changes something."""

    _transport: Transport

    async def put_manifest(self, repository: RepositoryName, identifier: str, raw: bytes, media_type: str) -> Digest:
        """Puts these very bytes under a tag or under their own digest. Answers their digest.

        Raises `Refused` where the registry finds fault with them (`reply_code` is
        `MANIFEST_BLOB_UNKNOWN` where it lacks a blob or child of it), `Denied`,
        `Unsupported`, and `DigestMismatch` where it stored something else.
        """
        return (await self.put_manifest_told(repository, identifier, raw, media_type)).digest

    async def put_manifest_told(
        self, repository: RepositoryName, identifier: str, raw: bytes, media_type: str
    ) -> PutManifest:
        """As `put_manifest`, with all that the registry said."""
        ask = Ask(
            f"/v2/{self._path(repository)}/manifests/{identifier}",
            push_scope(self._path(repository)),
            "PUT",
            {hdrs.CONTENT_TYPE: media_type},
            body=raw,
        )
        answer = await self._changed(ask, _MADE)
        stated = Digest.try_parse(answer.headers.get(DIGEST_HEADER))
        if stated is not None and stated.verifiable and not stated.matches(raw):
            raise DigestMismatch(
                "The registry stored other bytes than it was sent.",
                asked=f"PUT {shown(answer.url, self._transport.base.origin)}",
                answered=f"{answer.status}, digest {stated}",
            )
        subject = Digest.try_parse(answer.headers.get(SUBJECT_HEADER))
        return PutManifest(stated or Digest.of(raw), subject)

    async def delete_manifest(self, repository: RepositoryName, identifier: str) -> None:
        """Deletes a manifest with all of its tags (by digest), or one tag where the registry can do that.

        Raises `Absent` where it is not there, `Unsupported` or `Refused` where this registry
        does not do it, `Denied` where this account may not.
        """
        ask = Ask(
            f"/v2/{self._path(repository)}/manifests/{identifier}", delete_scope(self._path(repository)), "DELETE"
        )
        await self._changed(ask, _GONE)

    async def delete_harbor_tag(self, repository: RepositoryName, tag: Tag) -> None:
        """Deletes one tag by Harbor's own API; its `/v2/` refuses to. Raises as `delete_manifest`."""
        project, _, name = self._path(repository).partition("/")
        inner = quote(quote(name, safe=""), safe="")
        path = f"/api/v2.0/projects/{quote(project, safe='')}/repositories/{inner}/artifacts/{tag}/tags/{tag}"
        login = self._transport.keyring.login
        # This API knows no bearer tokens, and does not ask for a password either.
        headers: dict[str, str] = {hdrs.AUTHORIZATION: login.basic} if login.has_password else {}
        await self._changed(Ask(path, NO_SCOPE, "DELETE", headers), _GONE)

    async def has_blob(self, repository: RepositoryName, digest: Digest) -> bool:
        """Whether the registry holds the blob in that repository."""
        ask = Ask(f"/v2/{self._path(repository)}/blobs/{digest}", push_scope(self._path(repository)), "HEAD")
        answer = await self._transport.send(ask)
        if answer.status == HTTPStatus.NOT_FOUND:
            return False
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        return True

    async def push_blob(self, repository: RepositoryName, content: bytes) -> Digest:
        """Pushes a blob of at most `MAX_SMALL_BLOB` bytes in one piece, unless it is there already."""
        digest = Digest.of(content)
        if await self.has_blob(repository, digest):
            return digest
        scope = push_scope(self._path(repository))
        start = Ask(f"/v2/{self._path(repository)}/blobs/uploads/", scope, "POST", body=b"")
        begun = await self._changed(start, _MADE)
        url = self.upload_url(begun, digest)
        await self._changed(Ask(url, scope, "PUT", {hdrs.CONTENT_TYPE: OCTETS}, body=content), _MADE)
        return digest

    def upload_url(self, begun: Answer, digest: Digest) -> str:
        """Where an upload that was begun is finished, in one piece. Raises `Unreadable`, `UnsafeAddress`."""
        url = self.upload_location(begun)
        return f"{url}{'&' if '?' in url else '?'}digest={quote(digest, safe='')}"

    def upload_location(self, begun: Answer) -> str:
        """Where an upload that was begun goes on. Raises `Unreadable`, `UnsafeAddress`."""
        location = begun.headers.get(hdrs.LOCATION)
        if not location:
            raise Unreadable(
                "The registry began an upload and did not say where it goes on.",
                asked=f"POST {shown(begun.url, self._transport.base.origin)}",
                answered=f"{begun.status} without Location",
            )
        return resolve_upload(self._transport.base, begun.url, location, self._transport.allowed)

    async def _changed(self, ask: Ask, good: frozenset[int]) -> Answer:
        answer = await self._transport.send(ask)
        if answer.status not in good:
            raise self._transport.failure(ask, answer)
        return answer

    def _path(self, repository: RepositoryName) -> str:
        """Docker Hub keeps one-part names under `library/`."""
        return f"library/{repository}" if self._transport.base.is_docker_hub and "/" not in repository else repository
