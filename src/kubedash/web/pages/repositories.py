"""The image list of a registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from kubedash.policy.access import Permission, allows
from kubedash.records import Freshness, Namespace, Page, Progress, Registry, Repository, RepositoryQuery
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages.pull_commands import hidden_behind_path, pull_commands, push_example
from kubedash.web.pages.words import KIND_LABELS, PullWords, live_topics, pull_words, show_old_picture
from kubedash.web.rendering import HtmlRequest, is_fragment, page, redirect, urls_of
from kubedash.workflows import browse, sync

PAGE_SIZE: Final = 100
FOLDERS_SHOWN: Final = 48
KIND_CHOICES: Final = ("image", "index", "chart", "artifact")
SORTS: Final[tuple[tuple[str, str], ...]] = (
    ("name", "Name"),
    ("-pushed_at", "Pushed"),
    ("-last_pulled", "Pulled"),
    ("-size", "Size"),
    ("-tag_count", "Tags"),
)


class RepositoriesView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry
    """Whose repositories these are."""
    query: RepositoryQuery
    """What was asked for; it is all in the address."""
    page: Page[Repository]
    """One page of the list."""
    folders: tuple[Namespace, ...]
    """Folders at this level of the tree, as many as are shown."""
    folders_left: int
    """How many more folders there are."""
    freshness: Freshness
    """How old the picture is."""
    progress: Progress | None
    """How far the sync is that is under way."""
    old_picture: bool
    """The registry does not answer; what is shown is the last good copy."""
    filtered: bool
    """A filter is set, so that an empty list may just be no match."""
    kinds: dict[str, str]
    """Slug of a kind → what people call it."""
    sorts: tuple[tuple[str, str], ...]
    """Sort keys and their labels."""
    pulled: tuple[PullWords, ...]
    """When something of each row was last pulled; empty where the registry tells us of no pulls."""
    pulls: tuple[str, ...]
    """The pull command of each row's newest tag."""
    push_example: str
    """The command that fills an empty registry."""
    topics: str
    """What to listen to."""
    may_manage: bool
    """Whether to offer the settings."""
    pull_host: str
    """Where images are pulled from; empty where no pull command can say it."""


@get("/r/{registry:str}", name="repositories")
async def list_repositories(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    q: FromQuery[str | None] = None,
    namespace: FromQuery[str | None] = None,
    kind: FromQuery[str | None] = None,
    sort: FromQuery[str] = "name",
    cursor: FromQuery[str | None] = None,
    folders: FromQuery[str | None] = None,
) -> Response[str]:
    """`/r/{registry}`: its repositories, as a tree of folders and a list."""
    query = RepositoryQuery(
        q=q or None, namespace=namespace or None, kind=kind or None, sort=sort, limit=PAGE_SIZE, cursor=cursor
    )
    listing = await browse.open_repositories(services, actor, registry, query)
    shown = listing.namespaces if folders == "all" else listing.namespaces[:FOLDERS_SHOWN]
    pulled = _pulled(listing.page.items)
    view = RepositoriesView(
        registry=listing.registry,
        query=query,
        page=listing.page,
        folders=shown,
        folders_left=len(listing.namespaces) - len(shown),
        freshness=listing.freshness,
        progress=listing.progress,
        old_picture=show_old_picture(listing.freshness, empty=not listing.page.items),
        filtered=bool(query.q or query.kind or query.namespace),
        kinds=KIND_LABELS,
        sorts=tuple(sort for sort in SORTS if pulled or sort[0] != "-last_pulled"),
        pulled=pulled,
        pulls=tuple(_pull(listing.registry, row) for row in listing.page.items),
        push_example=push_example(listing.registry),
        topics=live_topics(listing.registry, job_id=listing.freshness.job_id),
        may_manage=allows(actor, Permission.REGISTRIES_MANAGE),
        pull_host="" if hidden_behind_path(listing.registry) else listing.registry.pull_host,
    )
    template = "repositories/_rows.html" if is_fragment(request) else "repositories/page.html"
    return page(request, template, view, section="registries")


@post("/r/{registry:str}/-/sync", name="sync-registry", status_code=303)
async def refresh_registry(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[None]:
    """`POST /r/{registry}/-/sync`: asks for a crawl and goes back to the list."""
    await sync.request_sync(services, actor, registry, None)
    return redirect(request, urls_of(request).registry(registry), notice="The registry is being read again.")


def _pulled(rows: tuple[Repository, ...]) -> tuple[PullWords, ...]:
    if not any(row.pulls for row in rows):
        return ()
    now = datetime.now(UTC)
    return tuple(pull_words(row.last_pulled, row.pulls, now) for row in rows)


def _pull(registry: Registry, row: Repository) -> str:
    if row.newest_tag is None:
        return ""
    commands = pull_commands(registry, row.name, row.kind, row.newest_tag, None)
    return commands[0].command if commands else ""
