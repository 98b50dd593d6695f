"""The search over everything that the index knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromQuery

from kubedash.records import SearchHit
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page
from kubedash.workflows import browse

LIMIT: Final = 200
GROUPS: Final = (("repository", "Images"), ("tag", "Tags"), ("digest", "Digests"), ("label", "Labels"))
"""Kind of a hit → heading, in the order of the page."""


class Find(msgspec.Struct, frozen=True):
    """One line: a place, and everything about it that fits."""

    hit: SearchHit
    """Where it leads."""
    notes: tuple[str, ...]
    """The text that fits, where its name does not say so already."""


class Group(msgspec.Struct, frozen=True):
    what: str
    """Slug of the kind."""
    title: str
    """Its heading."""
    finds: tuple[Find, ...]
    """Best first; several labels of one image are one line."""


class SearchView(msgspec.Struct, frozen=True, kw_only=True):
    q: str
    """What was looked for."""
    groups: tuple[Group, ...]
    """The finds by kind; empty ones are left out."""
    count: int
    """How many lines are shown."""
    more: bool
    """There may be more than are shown."""


@get("/search", name="search")
async def show_search(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, q: FromQuery[str] = ""
) -> Response[str]:
    """`/search?q=`: images, tags, digests and labels."""
    found = await browse.search(services, actor, q, LIMIT)
    groups = group(found.items)
    count = sum(len(part.finds) for part in groups)
    view = SearchView(q=q.strip(), groups=groups, count=count, more=len(found.items) >= LIMIT)
    return page(request, "search/page.html", view)


def group(hits: tuple[SearchHit, ...]) -> tuple[Group, ...]:
    """The hits under the heading of their kind; kinds without a heading of their own come last. Pure."""
    known = dict(GROUPS)
    others = [(what, what.capitalize()) for what in dict.fromkeys(hit.what for hit in hits) if what not in known]
    groups = (
        Group(what, title, _merged(hit for hit in hits if hit.what == what)) for what, title in (*GROUPS, *others)
    )
    return tuple(found for found in groups if found.finds)


def _merged(hits: Iterable[SearchHit]) -> tuple[Find, ...]:
    places: dict[tuple[object, ...], list[SearchHit]] = {}
    for hit in hits:
        places.setdefault((hit.registry, hit.repository, hit.tag, hit.digest), []).append(hit)
    return tuple(Find(found[0], tuple(filter(None, map(_note, found)))) for found in places.values())


def _note(hit: SearchHit) -> str | None:
    return None if hit.text in (hit.repository, hit.tag, hit.digest) else hit.text
