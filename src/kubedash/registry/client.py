"""The registry's API, one method an endpoint (distribution-spec; Docker's `_catalog`).

No policy here: what to ask, how often, and what an answer means to people is for the
workflows. Every method raises the tree of `kubedash.registry.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from http import HTTPStatus
from time import monotonic
from typing import Final, Generic, TypeVar

import msgspec
from aiohttp import hdrs

from kubedash.errors import InvalidInput, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import Descriptor, ImageIndex, parse_manifest
from kubedash.oci.media_types import ACCEPT_MANIFESTS, MediaType, essence
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.registry.addresses import shown
from kubedash.registry.blobs import Blobs
from kubedash.registry.complaints import plain, read_complaint
from kubedash.registry.errors import (
    Absent,
    Denied,
    NotARegistry,
    Refused,
    TooLarge,
    Unauthorized,
    Unreadable,
    UnsafeAddress,
    Unsupported,
)
from kubedash.registry.keyring import CATALOG_SCOPE, NO_SCOPE, pull_scope
from kubedash.registry.paging import MAX_PAGE_BYTES, Pager
from kubedash.registry.products import API_VERSION, guess_product, looks_like_registry, read_date
from kubedash.registry.transport import Ask, Transport
from kubedash.registry.verification import media_type_of, require_digest, verified_digest
from kubedash.registry.wire import Answer
from kubedash.registry.writing import DIGEST_HEADER

MAX_MANIFEST_BYTES: Final = 8 * 1024 * 1024
MAX_PING_BYTES: Final = 64 * 1024
MAX_REFERRERS: Final = 10_000
MAX_SHOWN: Final = 1000
REMEMBER_SECONDS: Final = 6 * 3600.0
"""How long a missing feature is believed: registries are upgraded."""
_MANIFEST_HEADERS: Final[dict[str, str]] = {hdrs.ACCEPT: ACCEPT_MANIFESTS}
_JSON_HEADERS: Final[dict[str, str]] = {hdrs.ACCEPT: "application/json"}
_INDEX_HEADERS: Final[dict[str, str]] = {hdrs.ACCEPT: MediaType.OCI_INDEX.value}
_ANY_HEADERS: Final[dict[str, str]] = {hdrs.ACCEPT: "*/*"}
_NO_REFERRERS: Final = frozenset({400, 404, 405, 406, 501})
_KNOWN_ABSENT: Final = frozenset({"NAME_UNKNOWN", "MANIFEST_UNKNOWN"})
_BESIDE_NO_LIST: Final = frozenset({"name"})
N = TypeVar("N", bound=str)


class Ping(msgspec.Struct, frozen=True):
    """What the front door told."""

    api_version: str | None
    """`Docker-Distribution-Api-Version`, which not every registry sends."""
    product: str | None
    """A guess for people; nothing depends on it."""
    authenticated: bool | None
    """True: it asked who we are and believed us. None: it lets everybody in so far."""
    date: datetime | None = None
    """Its clock, to the second, as it answered."""


class ManifestHead(msgspec.Struct, frozen=True, gc=False):
    digest: Digest
    media_type: str
    size: int | None


class FetchedManifest(msgspec.Struct, frozen=True, gc=False):
    digest: Digest
    """Verified over `raw`."""
    media_type: str
    raw: bytes


class Listing(Generic[N]):
    """The pages of a list, to iterate over once. Complete only if the iteration ends by itself."""

    def __init__(self, transport: Transport, ask: Ask, key: str, parse: Callable[[str], N]) -> None:
        self.skipped = 0
        """How many names were no names."""
        self._transport = transport
        self._ask = ask
        self._key = key
        self._parse = parse

    async def __aiter__(self) -> AsyncIterator[tuple[N, ...]]:
        pager = Pager(self._transport.base, self._ask.path)
        more = True
        while more:
            answer = await self._page(pager)
            if answer is None:
                return
            new, more = pager.take(self._names(answer), answer.headers.getall(hdrs.LINK, ()))
            if parsed := tuple(self._valid(new)):
                yield parsed

    def _names(self, answer: Answer) -> tuple[str, ...]:
        return _names(answer, self._key, f"GET {shown(answer.url, self._transport.base.origin)}")

    async def _page(self, pager: Pager) -> Answer | None:
        """The page at the pager's url; None where a page that we only guessed is refused."""
        ask = msgspec.structs.replace(self._ask, path=pager.url)
        answer = await self._transport.send(ask)
        if answer.status == HTTPStatus.BAD_REQUEST and pager.size is not None and not pager.guessing:
            # PAGINATION_NUMBER_INVALID: its maximum is lower than ours.
            pager.without_size()
            ask = msgspec.structs.replace(self._ask, path=pager.url)
            answer = await self._transport.send(ask)
        if answer.status == HTTPStatus.OK:
            return answer
        if pager.guessing and answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return None
        raise self._transport.failure(ask, answer)

    def _valid(self, names: tuple[str, ...]) -> list[N]:
        valid = []
        for name in names:
            try:
                valid.append(self._parse(name))
            except InvalidInput:
                self.skipped += 1
        return valid


class RegistryClient(Blobs):
    """One registry's endpoints; those that change something are in `Writing` and `Blobs`.

    Safe to share between tasks of one event loop.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._no_referrers_until = 0.0
        self._no_head_until = 0.0

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent, those for tokens included."""
        return self._transport.wire.requests

    @property
    def concurrency(self) -> int:
        """How many requests may be under way at once right now."""
        return self._transport.limiter.limit

    async def ping(self) -> Ping:
        """Whether this is a registry, and whether our credentials are good as far as it says.

        Where the front door is open to everybody, credentials are tried on the catalog.
        """
        ask = Ask("/v2/", NO_SCOPE, headers=_JSON_HEADERS, limit=MAX_PING_BYTES)
        try:
            answer = await self._transport.send(ask)
        except TooLarge as error:
            raise _no_registry(error.asked, error.answered) from error
        if not looks_like_registry(answer.status, answer.headers, answer.body):
            asked = f"GET {shown(answer.url, self._transport.base.origin)}"
            raise _no_registry(asked, read_complaint(answer.status, answer.body).sentence)
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        keyring = self._transport.keyring
        authenticated = True if answer.authorized else None
        if not keyring.login.is_anonymous and not answer.authorized:
            authenticated = await self._try_credentials()
        product = guess_product(self._transport.base.origin.host, answer.headers, keyring.service)
        date = read_date(answer.headers.get(hdrs.DATE))
        return Ping(answer.headers.get(API_VERSION), product, authenticated, date)

    async def _try_credentials(self) -> bool | None:
        ask = Ask("/v2/_catalog?n=1", CATALOG_SCOPE, headers=_JSON_HEADERS, limit=MAX_PAGE_BYTES)
        try:
            answer = await self._transport.send(ask)
        except (Unauthorized, UnsafeAddress):
            raise
        except Denied:
            # Many accounts may pull but not list.
            return True
        except RegistryError:
            # A catalog that is slow or broken says nothing about the credentials.
            return None
        return True if answer.authorized and answer.status == HTTPStatus.OK else None

    def repositories(self) -> Listing[RepositoryName]:
        """The catalog's pages. Raises `Unsupported` where there is no catalog."""
        ask = Ask("/v2/_catalog", CATALOG_SCOPE, headers=_JSON_HEADERS, limit=MAX_PAGE_BYTES)
        return Listing(self._transport, ask, "repositories", RepositoryName.parse)

    def tags(self, repository: RepositoryName) -> Listing[Tag]:
        """The pages of a repository's tags, in no order. Raises `Absent` where it is unknown."""
        path = f"/v2/{self._path(repository)}/tags/list"
        ask = Ask(path, self._scope(repository), headers=_JSON_HEADERS, limit=MAX_PAGE_BYTES)
        return Listing(self._transport, ask, "tags", Tag.parse)

    async def head_manifest(self, repository: RepositoryName, identifier: str) -> ManifestHead | None:
        """Digest, type and size of a manifest; None where the registry has none.

        Registries that refuse HEAD, or answer it without a digest, are asked by GET.
        """
        if monotonic() >= self._no_head_until:
            head = await self._head(repository, identifier)
            if not isinstance(head, bool):
                return head
        try:
            fetched = await self.get_manifest(repository, identifier)
        except Absent:
            return None
        self._no_head_until = monotonic() + REMEMBER_SECONDS
        return ManifestHead(fetched.digest, fetched.media_type, len(fetched.raw))

    async def _head(self, repository: RepositoryName, identifier: str) -> ManifestHead | bool | None:
        """The head; None: absent; False: this registry's HEAD is of no use."""
        ask = self._manifest_ask(repository, identifier, "HEAD")
        try:
            answer = await self._transport.send(ask)
        except (Denied, Unauthorized):
            return False
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            error = self._transport.failure(ask, answer)
            if isinstance(error, Denied | Refused | Unsupported):
                return False
            raise error
        digest = Digest.try_parse(answer.headers.get(DIGEST_HEADER))
        media_type = essence(answer.headers.get(hdrs.CONTENT_TYPE))
        if digest is None or not media_type.startswith("application/vnd."):
            return False
        length = answer.headers.get(hdrs.CONTENT_LENGTH, "")
        return ManifestHead(digest, media_type, int(length) if length.isdecimal() and len(length) < 16 else None)

    async def get_manifest(self, repository: RepositoryName, identifier: str) -> FetchedManifest:
        """The manifest's very bytes, verified. Raises `Absent`, `TooLarge`, `DigestMismatch`."""
        ask = self._manifest_ask(repository, identifier, "GET")
        answer = await self._transport.send(ask)
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        media_type = media_type_of(answer.headers.get(hdrs.CONTENT_TYPE), answer.body)
        wanted = Digest.try_parse(identifier) if ":" in identifier else None
        digest = verified_digest(wanted, answer.headers.get(DIGEST_HEADER), answer.body, media_type, answer.url)
        return FetchedManifest(digest, media_type, answer.body)

    async def get_blob(self, repository: RepositoryName, digest: Digest, *, limit: int) -> bytes:
        """A blob of at most `limit` bytes, verified. Raises `Absent`, `TooLarge`, `DigestMismatch`."""
        path = f"/v2/{self._path(repository)}/blobs/{digest}"
        ask = Ask(path, self._scope(repository), headers=_ANY_HEADERS, limit=limit)
        answer = await self._transport.send(ask)
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        require_digest(digest, answer.body, answer.url)
        return answer.body

    async def referrers(self, repository: RepositoryName, digest: Digest) -> tuple[Descriptor, ...] | None:
        """What says of itself that it refers to the digest; None: this registry has no such API.

        Then the fallback tag tells (distribution-spec, "Unavailable Referrers API").
        """
        if monotonic() < self._no_referrers_until:
            return None
        ask = Ask(
            f"/v2/{self._path(repository)}/referrers/{digest}",
            self._scope(repository),
            headers=_INDEX_HEADERS,
            limit=MAX_MANIFEST_BYTES,
        )
        pager = Pager(self._transport.base, ask.path, size=None)
        found: dict[str, Descriptor] = {}
        more = True
        while more:
            answer = await self._transport.send(msgspec.structs.replace(ask, path=pager.url))
            page = self._referrers_page(ask, answer)
            if page is None:
                return None
            found.update((descriptor.digest, descriptor) for descriptor in page)
            if len(found) > MAX_REFERRERS:
                raise TooLarge(f"The registry lists more than {MAX_REFERRERS:,} referrers.", asked=f"GET {ask.path}")
            _, more = pager.take([str(d.digest) for d in page], answer.headers.getall(hdrs.LINK, ()))
        return tuple(found.values())

    def _referrers_page(self, ask: Ask, answer: Answer) -> tuple[Descriptor, ...] | None:
        if answer.status in _NO_REFERRERS:
            code = read_complaint(answer.status, answer.body).code
            if answer.status == HTTPStatus.NOT_FOUND and code not in _KNOWN_ABSENT:
                self._no_referrers_until = monotonic() + REMEMBER_SECONDS
            return None
        if answer.status != HTTPStatus.OK:
            raise self._transport.failure(ask, answer)
        if essence(answer.headers.get(hdrs.CONTENT_TYPE)) != MediaType.OCI_INDEX:
            return None
        index = parse_manifest(answer.body, MediaType.OCI_INDEX)
        if not isinstance(index, ImageIndex):
            raise Unreadable("The registry's list of referrers cannot be read.", asked=f"GET {ask.path}")
        return index.manifests

    async def retire(self) -> None:
        """For a client that was replaced: what is under way ends well, and nothing stays open after it."""
        await self._transport.retire()

    async def close(self) -> None:
        """Ends all connections at once."""
        await self._transport.close()

    def _manifest_ask(self, repository: RepositoryName, identifier: str, method: str) -> Ask:
        return Ask(
            f"/v2/{self._path(repository)}/manifests/{identifier}",
            self._scope(repository),
            method,
            _MANIFEST_HEADERS,
            MAX_MANIFEST_BYTES,
        )

    def _scope(self, repository: RepositoryName) -> str:
        return pull_scope(self._path(repository))


def _no_registry(asked: str | None, answered: str | None) -> NotARegistry:
    return NotARegistry(
        "What answers there is no registry.",
        asked=asked,
        answered=answered,
        hint="Check host, port and path prefix; the address is the one without /v2/.",
    )


def _names(answer: Answer, key: str, asked: str) -> tuple[str, ...]:
    """The list under `key`; null and missing are empty lists (registries send both).

    An object without it that holds something else, but for the name of a repository, is
    somebody else's: believing it would empty what is known.
    """
    try:
        document = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            "The registry's list is no JSON.",
            asked=asked,
            answered=read_complaint(answer.status, answer.body).sentence,
        ) from error
    names = document.get(key) if isinstance(document, dict) else False
    if names is None and (key in document or document.keys() <= _BESIDE_NO_LIST):
        return ()
    if not isinstance(names, list):
        raise Unreadable(
            "The registry's list is no list.",
            asked=asked,
            answered=f"{answer.status}: {plain(answer.body[:MAX_SHOWN].decode('utf-8', 'replace'))}",
            hint="Check host, port and path prefix: something else may answer there.",
        )
    return tuple(name if isinstance(name, str) else "" for name in names)
