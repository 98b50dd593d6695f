"""Two images side by side: `…/-/compare?with=` of the newer one says what differs from the older."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import InvalidInput, KubedashError, NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.access import Actor, Permission, allows
from kubedash.records import Change, Comparison, PlatformComparison, Registry, TagQuery, ValueChange
from kubedash.web.formatting import percent_of
from kubedash.web.pages.words import kind_label, live_topics
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import browse, compare, inspect, registries
from kubedash.workflows.services import Services

OFFERED: Final = 30
"""Tags that are offered to compare with, newest first."""
SETTINGS: Final = {
    "entrypoint": "Entrypoint",
    "cmd": "Command",
    "working_dir": "Working directory",
    "user": "User",
    "exposed_ports": "Ports",
    "volumes": "Volumes",
    "healthcheck": "Healthcheck",
    "stop_signal": "Stop signal",
    "shell": "Shell",
    "on_build": "On build",
    "author": "Author",
}
"""What the page of the configuration calls them."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Differences of one sort."""

    slug: str
    title: str
    nothing: str
    """What to say where there are none."""
    changes: tuple[ValueChange, ...]
    names: dict[str, str]
    """Field → what people call it; others go by their own names."""


class CompareView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry
    """Where the newer one is."""
    repository: RepositoryName
    """Whose tags are offered."""
    name: str
    """Tag or digest of the newer one; empty where none was chosen yet."""
    asked: str
    """What it is compared with, as it was typed."""
    offered: tuple[Tag, ...]
    """Tags to compare with, newest first."""
    comparison: Comparison | None
    """What differs; None where nothing was compared."""
    chosen: PlatformComparison | None
    """The platform whose differences are listed."""
    groups: tuple[Group, ...]
    """Settings, variables and labels of the chosen platform that differ."""
    shares: tuple[int, ...]
    """Of each layer of the chosen platform: its size in percent of the largest."""
    kinds: tuple[str, str]
    """What people call the kinds of both."""
    masked: int
    """How many values that differ are masked."""
    may_reveal: bool
    """Whether the link that shows masked values is offered."""
    revealed: bool
    """They are shown."""
    problem: str | None
    """Why nothing could be compared."""
    topics: str
    """What to listen to."""


async def show_comparison(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/compare?with=`: a tag or digest of this repository, or `registry/repository:tag`."""
    asked = request.query_params.get("with", "").strip()
    revealed = request.query_params.get("reveal") == "1"
    view = await _empty_view(services, actor, registry, reference.repository, reference.identifier)
    view = msgspec.structs.replace(view, asked=asked, revealed=revealed)
    if not asked:
        return _shown(request, view, 200)
    try:
        before = read_other(registry, reference.repository, asked)
        found = await compare.compare(services, actor, before, (registry, reference), reveal=revealed)
    except (NotFound, InvalidInput) as error:
        return _shown(request, msgspec.structs.replace(view, problem=_sentence(error)), error.status)
    return _shown(request, _filled(view, found, request.query_params.get("platform")), 200)


async def choose_comparison(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[Any]:
    """`{repository}/-/compare`: which two? `?tag=` twice leads on to what differs.

    The older one comes first; with `order=list`, as rows of a list send them, that is found out.
    """
    tags = [tag for tag in request.query_params.getall("tag", []) if tag]
    view = await _empty_view(services, actor, registry, repository, "")
    if len(tags) != 2:
        problem = "Choose two: the older and the newer one." if tags else None
        return _shown(request, msgspec.structs.replace(view, problem=problem), 422 if tags else 200)
    try:
        newer = read_other(registry, repository, tags[1])
        older = read_other(registry, repository, tags[0])
        if request.query_params.get("order") == "list" and await _is_newer(services, actor, older, newer):
            newer, tags = older, tags[::-1]
    except (NotFound, InvalidInput) as error:
        return _shown(request, msgspec.structs.replace(view, problem=_sentence(error)), error.status)
    place = urls_of(request).comparison(newer[0], newer[1].repository, newer[1].identifier, tags[0])
    return redirect(request, place)


async def _is_newer(services: Services, actor: Actor, first: compare.Place, second: compare.Place) -> bool:
    """Whether the first was made later than the second; of two alike the one that was listed first."""
    one = await inspect.open_image(services, actor, *first)
    two = await inspect.open_image(services, actor, *second)
    return one.created is None or two.created is None or one.created >= two.created


def read_other(registry: str, repository: RepositoryName, text: str) -> compare.Place:
    """What to compare with: a tag or digest of the repository, or the whole name of another image.

    Raises `InvalidInput`.
    """
    if "/" in text:
        owner, _, rest = text.partition("/")
        return owner, Reference.parse(rest)
    digest = Digest.try_parse(text)
    if digest is not None:
        return registry, Reference(repository, digest=digest)
    return registry, Reference(repository, tag=Tag.parse(text))


def choose_platform(found: Comparison, wanted: str | None) -> PlatformComparison | None:
    """The one that was asked for, else the first with differences. Pure."""
    named = [entry for entry in found.platforms if wanted and wanted in (entry.platform, entry.after, entry.before)]
    differing = [entry for entry in found.platforms if entry.change is Change.CHANGED]
    return next(iter((*named, *differing, *found.platforms)), None)


def groups_of(entry: PlatformComparison) -> tuple[Group, ...]:
    """The differences of one platform, in the order of the page. Pure."""
    return (
        Group(
            slug="settings",
            title="Configuration",
            nothing="A container starts the same way.",
            changes=entry.config,
            names=SETTINGS,
        ),
        Group(slug="env", title="Environment", nothing="The variables are the same.", changes=entry.env, names={}),
        Group(slug="labels", title="Labels", nothing="The labels are the same.", changes=entry.labels, names={}),
    )


async def _empty_view(
    services: Services, actor: Actor, registry: str, repository: RepositoryName, name: str
) -> CompareView:
    query = TagQuery(sort="-created", limit=OFFERED)
    listing = await browse.open_tags(services, actor, registry, repository, query)
    owner = await registries.show_registry(services, actor, registry)
    return CompareView(
        registry=owner,
        repository=repository,
        name=name,
        asked="",
        offered=tuple(row.name for row in listing.page.items if row.name != name),
        comparison=None,
        chosen=None,
        groups=(),
        shares=(),
        kinds=("", ""),
        masked=0,
        may_reveal=allows(actor, Permission.IMAGES_REVEAL),
        revealed=False,
        problem=None,
        topics=live_topics(owner, repository, listing.freshness.job_id),
    )


def _filled(view: CompareView, found: Comparison, platform: str | None) -> CompareView:
    chosen = choose_platform(found, platform)
    groups = groups_of(chosen) if chosen and chosen.sums else ()
    layers = chosen.layers if chosen else ()
    largest = max((layer.size or 0 for layer in layers), default=0)
    return msgspec.structs.replace(
        view,
        comparison=found,
        chosen=chosen,
        groups=groups,
        shares=tuple(percent_of(layer.size, largest) for layer in layers),
        kinds=(kind_label(found.before.kind) or "", kind_label(found.after.kind) or ""),
        masked=sum(change.masked for group in groups for change in group.changes),
    )


def _shown(request: HtmlRequest, view: CompareView, status: int) -> Response[str]:
    return page(request, "compare/page.html", view, section="registries", status=status)


def _sentence(error: KubedashError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message
