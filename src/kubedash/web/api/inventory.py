"""Image lists, tag lists and the search, out of the index."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import get
from litestar.params import FromPath, QueryParameter
from msgspec.structs import replace

from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import Page, Repository, RepositoryQuery, SearchHit, TagQuery, TagRow
from kubedash.web.api.lists import MAX_TEXT, Cursor, Limit, Q, Sort
from kubedash.web.api.values import read_repository
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import browse

RepositoryParameter = Annotated[str, QueryParameter(description="The repository's name, slashes and all.")]
MAX_HITS: Final = 1000
_HIT_KEYS: Final[Keys[SearchHit]] = {
    "repository": lambda hit: hit.repository,
    "registry": lambda hit: hit.registry,
    "what": lambda hit: hit.what,
}


@get("/registries/{registry:str}/repositories", summary="List repositories")
async def list_repositories(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    namespace: Annotated[
        str | None, QueryParameter(max_length=255, description="Only repositories below this namespace.")
    ] = None,
    kind: Annotated[str | None, QueryParameter(max_length=60, description="Only repositories of this kind.")] = None,
) -> Page[Repository]:
    """The image list. Sorts: name, pushed_at, last_pulled, size, tag_count."""
    query = RepositoryQuery(q=q, namespace=namespace, kind=kind, sort=sort or "name", limit=limit, cursor=cursor)
    listing = await browse.open_repositories(services, actor, registry, query)
    return replace(listing.page, as_of=listing.freshness.as_of)


@get("/registries/{registry:str}/tags", summary="List tags")
async def list_tags(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    folded: Annotated[
        bool, QueryParameter(description="Also the machine tags (`sha256-…`), which are left out otherwise.")
    ] = False,
) -> Page[TagRow]:
    """The tags of a repository. Sorts: version, name, created, size, last_pulled. `q` may hold `*` and `?`."""
    query = TagQuery(q=q, sort=sort or "-version", limit=limit, cursor=cursor, folded=folded)
    listing = await browse.open_tags(services, actor, registry, read_repository(repository), query)
    return replace(listing.page, as_of=listing.freshness.as_of)


@get("/search", summary="Search everything")
async def search(
    services: GivenServices,
    actor: GivenActor,
    q: Annotated[str, QueryParameter(max_length=MAX_TEXT, description="What to look for.")],
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SearchHit]:
    """Repositories, tags, digests and labels that contain `q`, best first. Sorts: repository, registry, what."""
    found = await browse.search(services, actor, q, MAX_HITS)
    return page_of(found.items, ListQuery(sort=sort, limit=limit, cursor=cursor), _HIT_KEYS, lambda hit: hit.repository)
