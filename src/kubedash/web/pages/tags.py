"""The tag list of a repository."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec
from litestar import Response

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.access import Actor
from kubedash.records import Child, Freshness, Page, Progress, Registry, Repository, TagQuery, TagRow
from kubedash.web.addresses import Urls
from kubedash.web.formatting import ago, exact_size, exact_time, iso_time, short_digest, size
from kubedash.web.pages.pull_commands import pull_commands, pull_prefix, push_example
from kubedash.web.pages.words import (
    AttachmentWord,
    PullWords,
    attachment_words,
    broken_words,
    kind_label,
    live_topics,
    pull_words,
    show_old_picture,
)
from kubedash.web.rendering import HtmlRequest, here_of, is_fragment, page, redirect, urls_of
from kubedash.workflows import browse, inspect, sync
from kubedash.workflows.services import Services

PAGE_SIZE: Final = 100
SORTS: Final[tuple[tuple[str, str], ...]] = (
    ("-version", "Version"),
    ("-created", "Created"),
    ("-size", "Size"),
    ("-last_pulled", "Pulled"),
    ("name", "Name"),
)
QUIET_KINDS: Final = ("image", "index")
"""What a tag list is expected to hold: such rows need no chip that says so."""
PLATFORMS_SHOWN: Final = 3
ALIASES_SHOWN: Final = 3


class Link(msgspec.Struct, frozen=True, gc=False):
    """A name and where it leads."""

    text: str
    href: str


class TagLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row, every value in the words that stand there.

    Flat, as each step from one value into another costs the template a call.
    """

    tag: str
    href: str
    kind: str | None
    """What people call the kind, where it is not plainly an image."""
    aliases: tuple[Link, ...]
    """Other tags of the digest, as many as are shown."""
    aliases_left: int
    """How many more there are."""
    platforms: str
    """Platforms, as many as are shown; the operating system only where it is not linux."""
    unfold: str | None
    """Of an index: the address of this page with the row unfolded, or folded again."""
    open: bool
    """The row is unfolded."""
    created: str | None
    """For the `datetime` attribute."""
    created_exact: str
    ago: str
    size: str | None
    size_exact: str
    each: str | None
    """Of an index: the size of one platform, or the range of them."""
    pulled: PullWords
    """When it was last pulled."""
    digest: str
    digest_short: str
    digest_href: str
    attachments: tuple[AttachmentWord, ...]
    """What is attached, in words."""
    pull: str
    """The pull command behind the copy button."""
    children: tuple[Child, ...]
    """Its platforms, where the row is unfolded."""


class TagsView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry
    """Where the repository is."""
    repository: Repository
    """Whose tags these are."""
    query: TagQuery
    """What was asked for; it is all in the address."""
    page: Page[TagRow]
    """One page of the list; its position and cursors."""
    lines: tuple[TagLine, ...]
    """The rows of that page."""
    freshness: Freshness
    """How old the picture is."""
    progress: Progress | None
    """How far the sync is that is under way."""
    old_picture: bool
    """The registry does not answer; what is shown is the last good copy."""
    pattern: str
    """The filter as a pattern for whole names."""
    filtered: bool
    """A filter is set, so that an empty list may just be no match."""
    sorts: tuple[tuple[str, str], ...]
    """Sort keys and their labels."""
    kind: str | None
    """What people call the repository's kind."""
    pulls_told: bool
    """The registry tells us of pulls, so that there is something to show."""
    push_example: str
    """The command that fills an empty repository."""
    topics: str
    """What to listen to."""


async def show_tags(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[str]:
    """`/r/{registry}/{repository}`: its tags. `?open=TAG` unfolds a row to its platforms."""
    asked = request.query_params
    query = TagQuery(
        q=asked.get("q") or None,
        sort=asked.get("sort") or "-version",
        limit=PAGE_SIZE,
        cursor=asked.get("cursor") or None,
        folded=asked.get("folded") == "true",
    )
    listing = await browse.open_tags(services, actor, registry, repository, query)
    opened = asked.get("open")
    children = await _children(services, actor, listing, opened)
    lines = Lines(listing, urls_of(request), here_of(request)(open=None))
    view = TagsView(
        registry=listing.registry,
        repository=listing.repository,
        query=query,
        page=listing.page,
        lines=tuple(lines.line(row, opened, children) for row in listing.page.items),
        freshness=listing.freshness,
        progress=listing.progress,
        old_picture=show_old_picture(listing.freshness, empty=not listing.page.items),
        pattern=pattern_of(query.q or ""),
        filtered=bool(query.q),
        sorts=tuple(sort for sort in SORTS if listing.repository.pulls is not None or sort[0] != "-last_pulled"),
        kind=kind_label(listing.repository.kind),
        pulls_told=listing.repository.pulls is not None,
        push_example=push_example(listing.registry, repository),
        topics=live_topics(listing.registry, repository, listing.freshness.job_id),
    )
    template = "tags/_rows.html" if is_fragment(request) else "tags/page.html"
    return page(request, template, view, section="registries")


async def refresh_tags(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[None]:
    """`POST …/-/sync`: asks for a refresh of this repository and goes back to its tags."""
    await sync.request_sync(services, actor, registry, repository)
    return redirect(request, urls_of(request).repository(registry, repository))


async def _children(
    services: Services, actor: Actor, listing: browse.TagListing, opened: str | None
) -> tuple[Child, ...]:
    """The platforms of the row that is unfolded, if it is on this page."""
    row = next((row for row in listing.page.items if row.name == opened), None)
    if row is None:
        return ()
    return await inspect.open_platforms(services, actor, listing.registry.name, listing.repository.name, row.digest)


class Lines:
    """Makes the rows of one page. Pure."""

    def __init__(self, listing: browse.TagListing, urls: Urls, here: str) -> None:
        """`here`: the address of the page with every row folded."""
        self._registry = listing.registry
        self._repository = listing.repository.name
        self._now = datetime.now(UTC)
        self._here = here
        self._opening = f"{here}{'&' if '?' in here else '?'}open="
        self._place = urls.repository(self._registry.name, self._repository)
        self._pull = pull_prefix(self._registry, self._repository)

    def line(self, row: TagRow, opened: str | None, children: tuple[Child, ...]) -> TagLine:
        unfolds, is_open = len(row.platforms) > 1 or row.kind == ArtifactKind.INDEX, row.name == opened
        return TagLine(
            tag=row.name,
            href=f"{self._place}:{row.name}",
            kind=None if row.kind in QUIET_KINDS else kind_label(row.kind),
            aliases=tuple(map(self._tag, row.aliases[:ALIASES_SHOWN])),
            aliases_left=max(0, len(row.aliases) - ALIASES_SHOWN),
            platforms=platforms_shown(row.platforms) or ("index" if unfolds else ""),
            unfold=f"{self._here if is_open else self._opening + row.name}#tag-{row.name}" if unfolds else None,
            open=is_open,
            created=iso_time(row.created) if row.created else None,
            created_exact=exact_time(row.created),
            ago=ago(row.created, self._now),
            size=None if row.size is None else size(row.size),
            size_exact=exact_size(row.size),
            each=size_range(row.platform_sizes) if row.platform_sizes and len(row.platforms) > 1 else None,
            pulled=pull_words(row.last_pulled, row.pulls, self._now),
            digest=row.digest,
            digest_short=short_digest(row.digest),
            digest_href=f"{self._place}@{row.digest}",
            attachments=_words(row) if row.attachments or row.signed or row.missing else (),
            pull=self._pull_command(row),
            children=children if is_open else (),
        )

    def _tag(self, tag: Tag) -> Link:
        return Link(tag, f"{self._place}:{tag}")

    def _pull_command(self, row: TagRow) -> str:
        if row.kind is None or row.kind in QUIET_KINDS:
            return f"{self._pull}{row.name}" if self._pull else ""
        commands = pull_commands(self._registry, self._repository, row.kind, row.name, None)
        return commands[0].command if commands else ""


def pattern_of(q: str) -> str:
    """A filter finds any part of a name, unless it is a pattern itself. Pure."""
    return q if "*" in q or "?" in q else f"*{q}*"


def platforms_shown(platforms: tuple[str, ...]) -> str:
    """`linux/amd64 · arm64 · arm/v7 + 2`. Pure."""
    shown = [platform.removeprefix("linux/") if index else platform for index, platform in enumerate(platforms)]
    left = len(shown) - PLATFORMS_SHOWN
    return " · ".join(shown[:PLATFORMS_SHOWN]) + (f" + {left}" if left > 0 else "")


def size_range(sizes: tuple[int, int]) -> str:
    """`2.0 MB`, `1.8–2.0 MB` or `900.0 KB–1.2 MB`. Pure."""
    smallest, largest = map(size, sizes)
    if smallest == largest:
        return largest
    number, _, unit = smallest.partition(" ")
    return f"{number}–{largest}" if largest.endswith(f" {unit}") else f"{smallest}–{largest}"


def _words(row: TagRow) -> tuple[AttachmentWord, ...]:
    """What is wrong with it first, then what is attached."""
    return (*broken_words(row.missing), *attachment_words(row.attachments, row.signed))
