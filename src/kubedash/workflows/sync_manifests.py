"""Fetches what the index does not know yet: manifests, their configs and their children.

A manifest is only kept together with all that it needs, so that what is known by
digest never has to be looked at again. Refusals that would be the same tomorrow are
kept as its problem; a failure that may pass leaves the manifest for the next crawl.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

import msgspec

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.artifacts.summary import MAX_CONFIG_BYTES, ManifestSummary, config_to_fetch, summarise
from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import Descriptor, parse_manifest
from kubedash.oci.reference import RepositoryName
from kubedash.policy.placeholder import OWN_LABEL
from kubedash.registry.client import FetchedManifest, RegistryClient
from kubedash.registry.errors import Absent, Refused, TooLarge, Unsupported
from kubedash.workflows.sync_tools import each

WORKERS: Final = 48
"""Requests that one batch has under way; the client's limiter decides how many really are."""
MAX_DEPTH: Final = 4
"""Levels of indexes in indexes that are followed."""
MAX_CHILDREN: Final = 500
"""Children of one index that are fetched; the others are listed without their inside."""
PORTION_BYTES: Final = 8 * 1024 * 1024
"""Manifests and configs that one load keeps in memory, roughly, a level of indexes."""
_LASTING: Final = (Refused, TooLarge, Unsupported)
_CODED: Final = re.compile(r"\d{3} [A-Z][A-Z_]{3,}\b")

Known = Callable[[Collection[Digest]], Awaitable[set[Digest]]]


class Loaded(msgspec.Struct):
    """What a batch brought in."""

    manifests: dict[Digest, ManifestSummary] = {}
    """Complete, children before the indexes that hold them or not: in any order."""
    missing: set[Digest] = set()
    """Named by an index, and the registry does not have it."""
    failures: dict[Digest, RegistryError] = {}
    """Could not be read this time; nothing of these is kept."""
    postponed: set[Digest] = set()
    """Not read, as the others fill the portion: ask again when those are stored."""
    weight: int = 0
    """Bytes of manifests and configs of the present level."""

    def holds(self, size: int) -> bool:
        """Whether `size` bytes more fit in. Something always does, so that every portion gets further."""
        return not self.weight or self.weight + size <= PORTION_BYTES


class Loader:
    """Reads manifests of one repository by digest, each once at a time."""

    def __init__(self, client: RegistryClient, repository: RepositoryName, known: Known) -> None:
        self._client = client
        self._repository = repository
        self._known = known

    async def load(self, fetched: dict[Digest, FetchedManifest], wanted: Collection[Digest]) -> Loaded:
        """The manifests of `wanted` that are not known, and all below them.

        `fetched` are those at hand already. Every registry error ends in the result.
        What does not fit into memory beside the rest is `postponed`.
        """
        loaded = Loaded()
        level = set(wanted) - await self._known(wanted)
        roots = set(level)
        for _ in range(MAX_DEPTH):
            if not level:
                break

            async def read(digest: Digest) -> None:
                await self._read(digest, fetched.get(digest), loaded, is_root=digest in roots)

            loaded.weight = 0
            await each(level, read, WORKERS)
            level = await self._next_level(level, loaded)
        _drop_incomplete(loaded)
        loaded.postponed &= roots
        _date_indexes(loaded)
        return loaded

    async def _next_level(self, level: Iterable[Digest], loaded: Loaded) -> set[Digest]:
        named: set[Digest] = set()
        for digest in level:
            summary = loaded.manifests.get(digest)
            if summary is not None:
                named.update(child.digest for child in summary.children[:MAX_CHILDREN])
        unseen = named - loaded.manifests.keys() - loaded.missing - loaded.failures.keys()
        return unseen - await self._known(unseen) if unseen else unseen

    async def _read(self, digest: Digest, found: FetchedManifest | None, loaded: Loaded, *, is_root: bool) -> None:
        if not loaded.holds(len(found.raw) if found else 0):
            loaded.postponed.add(digest)
            return
        try:
            manifest = found or await self._client.get_manifest(self._repository, digest)
            await self._keep(manifest, loaded)
        except RegistryError as error:
            if is_gone(error) and not is_root:
                loaded.missing.add(digest)
            elif isinstance(error, _LASTING):
                loaded.manifests[digest] = unreadable(digest, error)
            else:
                loaded.failures[digest] = error

    async def _keep(self, fetched: FetchedManifest, loaded: Loaded) -> None:
        config = config_to_fetch(parse_manifest(fetched.raw, fetched.media_type))
        size = len(fetched.raw) + ((config.size or 0) if config else 0)
        if not loaded.holds(size):
            loaded.postponed.add(fetched.digest)
            return
        loaded.weight += size
        loaded.manifests[fetched.digest] = await self._summary(fetched, config)

    async def _summary(self, fetched: FetchedManifest, config: Descriptor | None) -> ManifestSummary:
        if config is None:
            return summarise(fetched.digest, fetched.raw, fetched.media_type, None)
        limit = min(config.size or MAX_CONFIG_BYTES, MAX_CONFIG_BYTES)
        try:
            raw = await self._client.get_blob(self._repository, config.digest, limit=limit)
        except RegistryError as error:
            if not (is_gone(error) or isinstance(error, _LASTING)):
                raise
            found = summarise(fetched.digest, fetched.raw, fetched.media_type, None)
            problem = f"its config cannot be read: {explain(error)}"
            return msgspec.structs.replace(found, problem="; ".join(filter(None, (found.problem, problem))))
        return summarise(fetched.digest, fetched.raw, fetched.media_type, raw)


def unreadable(digest: Digest, error: RegistryError) -> ManifestSummary:
    """A place for a manifest that exists and cannot be read, with the reason."""
    return ManifestSummary(
        digest=digest,
        media_type="",
        kind=ArtifactKind.UNKNOWN,
        artifact_type=None,
        size=None,
        created=None,
        platform=None,
        raw=b"",
        config_digest=None,
        config_raw=None,
        subject=None,
        children=(),
        blobs=(),
        labels=(),
        problem=explain(error),
    )


def is_gone(error: RegistryError) -> bool:
    """Whether the registry itself says that it has no such thing, in its own words.

    A proxy's 404 page has no error code (distribution-spec, "Error Codes"): that is an
    outage, and says nothing about the content.
    """
    return isinstance(error, Absent) and _CODED.match(error.answered or "") is not None


def explain(error: RegistryError) -> str:
    """The failure in one line: what is wrong, what we asked and what came back."""
    asked = f" {error.asked}:" if error.asked else ""
    answered = f" {error.answered}" if error.answered else ""
    return f"{error.message}{asked}{answered}".rstrip(":")


def _drop_incomplete(loaded: Loaded) -> None:
    """An index whose child failed or waits is not kept either: it would count as known for ever."""
    spoilt = bool(loaded.failures or loaded.postponed)
    while spoilt:
        spoilt = False
        for digest, summary in list(loaded.manifests.items()):
            children = [child.digest for child in summary.children]
            broken = next((child for child in children if child in loaded.failures), None)
            if broken is not None:
                loaded.failures[digest] = loaded.failures[broken]
            elif not loaded.postponed.isdisjoint(children):
                loaded.postponed.add(digest)
            else:
                continue
            del loaded.manifests[digest]
            spoilt = True


def _date_indexes(loaded: Loaded) -> None:
    """An index without a date of its own is as new as its newest entry."""
    for digest, summary in list(loaded.manifests.items()):
        if summary.children and summary.created is None:
            entries = (loaded.manifests.get(child.digest) for child in summary.children)
            dates = [entry.created for entry in entries if entry is not None and entry.created is not None]
            if dates:
                loaded.manifests[digest] = msgspec.structs.replace(summary, created=max(dates))


def take_placeholders(loaded: Loaded) -> set[Digest]:
    """Takes out what a deletion put under a tag for a moment: the next crawl shows how that ended."""
    found = {
        digest
        for digest, summary in loaded.manifests.items()
        if any(label.key == OWN_LABEL for label in summary.labels)
    }
    for digest in found:
        del loaded.manifests[digest]
    return found
