"""Blobs of any size: mounted from a neighbour, or streamed from somewhere and verified on the way.

Nothing is kept in memory or on disk but the piece in hand. An upload is one PUT with the
whole content (what every registry can do); where anything about it is in doubt it starts
again from the beginning, because registries neither check the order of pieces nor forgive
an old location (distribution 2.8).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import hdrs

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.registry.addresses import resolve_upload, shown
from kubedash.registry.errors import Absent, DigestMismatch, Refused, Unauthorized, Unsupported
from kubedash.registry.keyring import mount_scope, push_scope
from kubedash.registry.keyring import pull_scope as read_scope
from kubedash.registry.transport import Ask
from kubedash.registry.writing import OCTETS, Writing

TRIES: Final = 3
PIECE: Final = 256 * 1024
_PLAIN: Final = "sha256"
_ANY: Final[dict[str, str]] = {hdrs.ACCEPT: "*/*"}
_AGAIN: Final = (Unauthorized, Absent, Refused)
"""An upload's session that is not there any more, or a token that ran out meanwhile."""


class BlobStream(msgspec.Struct):
    """A blob's content as it comes; not verified yet."""

    size: int
    pieces: AsyncIterator[bytes]


Source = Callable[[], AbstractAsyncContextManager[BlobStream]]
"""Opens the content anew each time, as an upload may have to start again."""
Told = Callable[[int], None]
"""Hears how many bytes of the blob have been sent; fewer than before where it starts again."""


class Blobs(Writing):
    """The part of a registry's client that moves large content."""

    async def blob_size(self, repository: RepositoryName, digest: Digest) -> int | None:
        """How large the registry says the blob is; None where it does not have it there.

        Raises `Unsupported` where it does not say.
        """
        path = self._path(repository)
        ask = Ask(f"/v2/{path}/blobs/{digest}", read_scope(path), "HEAD", _ANY)
        answer = await self._transport.send(ask)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        length = answer.headers.get(hdrs.CONTENT_LENGTH, "")
        if not length.isdecimal() or len(length) > 15:
            raise Unsupported(
                "The registry does not say how large the blob is.",
                asked=f"HEAD {shown(answer.url, self._transport.base.origin)}",
                answered=f"{answer.status} without Content-Length",
            )
        return int(length)

    @asynccontextmanager
    async def open_blob(self, repository: RepositoryName, digest: Digest) -> AsyncIterator[BlobStream]:
        """The blob's content, piece by piece. Raises `Absent` and the rest of the error tree."""
        size = await self.blob_size(repository, digest)
        path = self._path(repository)
        if size is None:
            raise Absent("The registry does not have this blob.", asked=f"HEAD /v2/{path}/blobs/{digest}")
        ask = Ask(f"/v2/{path}/blobs/{digest}", read_scope(path), headers=_ANY)
        async with self._transport.opened(ask, size=size) as response:
            yield BlobStream(size, self._transport.wire.pieces(response, PIECE))

    async def mount_blob(self, repository: RepositoryName, digest: Digest, source: RepositoryName) -> str | None:
        """Takes the blob over from another repository of the registry, without its bytes.

        None: it is there now. Otherwise where the upload goes on that the registry began
        instead, for `upload_blob`; an empty text where it did neither.
        """
        path, origin = self._path(repository), self._path(source)
        query = f"mount={quote(digest, safe='')}&from={quote(origin, safe='')}"
        ask = Ask(f"/v2/{path}/blobs/uploads/?{query}", mount_scope(path, origin), "POST", body=b"")
        answer = await self._transport.send(ask)
        if answer.status == HTTPStatus.CREATED:
            return None
        location = answer.headers.get(hdrs.LOCATION)
        if answer.status != HTTPStatus.ACCEPTED or not location:
            return ""
        return resolve_upload(self._transport.base, answer.url, location, self._transport.allowed)

    async def upload_blob(
        self, repository: RepositoryName, digest: Digest, source: Source, told: Told, session: str = ""
    ) -> None:
        """Streams the content in and verifies it on the way; `session` is an upload begun already.

        Starts again where the session is lost or the connection breaks, at most `TRIES`
        times, and looks first whether the blob has arrived. Raises `DigestMismatch` before
        the last piece is sent where the content is not what the digest says, `Unsupported`
        for digests that cannot be verified.
        """
        if not digest.verifiable:
            raise Unsupported(f"Content under a {digest.algorithm} digest cannot be verified here.", answered=digest)
        for tried in range(1, TRIES + 1):
            try:
                await self._upload_once(repository, digest, source, told, session)
            except RegistryError as error:
                if tried == TRIES or not (error.temporary or isinstance(error, _AGAIN)):
                    raise
                session = ""
                if await self.has_blob(repository, digest):
                    return
            else:
                return

    async def _upload_once(
        self, repository: RepositoryName, digest: Digest, source: Source, told: Told, session: str
    ) -> None:
        url = session or await self._begin(repository, digest)
        sending = _Sending(digest, told)
        finish = f"{url}{'&' if '?' in url else '?'}digest={quote(digest, safe='')}"
        scope = push_scope(self._path(repository))
        try:
            async with source() as content:
                headers: dict[str, str] = {hdrs.CONTENT_TYPE: OCTETS, hdrs.CONTENT_LENGTH: str(content.size)}
                ask = Ask(finish, scope, "PUT", headers)
                async with self._transport.opened(ask, body=sending.pieces(content), size=content.size):
                    pass
        except RegistryError as error:
            await self._cancel(url, scope)
            # What stopped the content comes out as a broken connection: the cause says more.
            if sending.failure is not None:
                raise sending.failure from error
            raise

    async def _begin(self, repository: RepositoryName, digest: Digest) -> str:
        path = self._path(repository)
        algorithm = "" if digest.algorithm == _PLAIN else f"?digest-algorithm={digest.algorithm}"
        ask = Ask(f"/v2/{path}/blobs/uploads/{algorithm}", push_scope(path), "POST", body=b"")
        return self.upload_location(await self._changed(ask, frozenset({HTTPStatus.ACCEPTED.value})))

    async def _cancel(self, url: str, scope: str) -> None:
        """The registry need not wait for the rest; that it may not do this is no failure."""
        with contextlib.suppress(RegistryError):
            await self._transport.send(Ask(url, scope, "DELETE"))


class _Sending:
    """Content on its way out: counted, verified, and stopped before its end where it is wrong."""

    def __init__(self, digest: Digest, told: Told) -> None:
        self._digest = digest
        self._told = told
        self.failure: RegistryError | None = None

    async def pieces(self, content: BlobStream) -> AsyncIterator[bytes]:
        try:
            async for piece in self._verified(content):
                yield piece
        except RegistryError as error:
            self.failure = error
            raise

    async def _verified(self, content: BlobStream) -> AsyncIterator[bytes]:
        """The last piece is held back until everything is known to be right."""
        checker, held = self._digest.checker(), b""
        async for piece in content.pieces:
            checker.take(piece)
            if held:
                yield held
                self._told(checker.size - len(piece))
            held = piece
        if not checker.matches():
            raise DigestMismatch(
                "The source sent other bytes than the digest names.",
                answered=f"{checker.size} bytes with the digest {checker.found}",
                hint="Its storage may be damaged, or a proxy changes what passes through.",
            )
        if held:
            yield held
        self._told(checker.size)
