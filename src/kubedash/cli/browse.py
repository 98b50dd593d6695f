"""`kubedash ls` and `kubedash inspect`: what the index knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from cyclopts import Parameter
from msgspec.structs import replace

from kubedash.cli.doors import Json, act, read_place, read_reference
from kubedash.cli.output import UNKNOWN, Bytes, Cell, print_facts, print_json, print_line, print_note, print_table, size
from kubedash.errors import InvalidInput
from kubedash.policy.lists import ListQuery, page_of
from kubedash.records import DeletedTag, Image, Page, Repository, RepositoryQuery, TagQuery, TagRow
from kubedash.workflows import browse, inspect, tag_history

MOST: Final = 1000
_REPOSITORY_TITLES: Final = ("NAME", "KIND", "TAGS", "NEWEST", "SIZE", "PUSHED", "PULLED")
_DELETED_TITLES: Final = ("TAG", "KIND", "GONE", "SEEN", "BY", "LAST LED TO")
_TAG_TITLES: Final = ("TAG", "KIND", "PLATFORMS", "CREATED", "SIZE", "DIGEST", "PULLED")
T = TypeVar("T")
Filter = Annotated[str | None, Parameter(name=("--filter", "-q"), help="Only names that contain this.")]
Sort = Annotated[str | None, Parameter(help="The field to sort by; a leading - reverses.")]
Limit = Annotated[int, Parameter(help="Most lines to show at once, 1 to 1000.")]
Cursor = Annotated[str | None, Parameter(help="`next` of the page before.")]


def ls(
    place: Annotated[str, Parameter(help="REGISTRY for its repositories, REGISTRY/REPOSITORY for its tags.")],
    /,
    *,
    q: Filter = None,
    sort: Sort = None,
    limit: Limit = MOST,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List the repositories of a registry, or the tags of a repository."""
    registry, repository = read_place(place)
    if repository is None:
        wanted = RepositoryQuery(q=q, sort=sort or "name", limit=limit, cursor=cursor)
        listing = act(lambda services, actor: browse.open_repositories(services, actor, registry, wanted))
        _print_page(replace(listing.page, as_of=listing.freshness.as_of), _REPOSITORY_TITLES, _repository_row, json)
    else:
        query = TagQuery(q=q, sort=sort or "-version", limit=limit, cursor=cursor)
        rows = act(lambda services, actor: browse.open_tags(services, actor, registry, repository, query))
        _print_page(replace(rows.page, as_of=rows.freshness.as_of), _TAG_TITLES, _tag_row, json)


def deleted(
    place: Annotated[str, Parameter(help="REGISTRY/REPOSITORY.")],
    /,
    *,
    q: Filter = None,
    limit: Limit = MOST,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List the tags of a repository that are not there any more."""
    registry, repository = read_place(place)
    if repository is None:
        raise InvalidInput("Deleted tags are those of one repository.", hint="Write REGISTRY/REPOSITORY.")
    found = act(lambda services, actor: tag_history.open_deleted_tags(services, actor, registry, repository))
    page = page_of(found.tags, ListQuery(q=q, limit=limit, cursor=cursor), {}, lambda tag: tag.name)
    _print_page(replace(page, as_of=found.freshness.as_of), _DELETED_TITLES, _deleted_row, json)


def _deleted_row(tag: DeletedTag) -> tuple[Cell, ...]:
    last = tag.last
    return (tag.name, last.kind, last.until, last.ended_by, last.ended_actor, last.digest)


def inspect_reference(
    reference: Annotated[str, Parameter(name="REF", help="REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.")],
    /,
    *,
    platform: Annotated[str | None, Parameter(help="Of an index: whose inside, such as linux/arm64.")] = None,
    reveal: Annotated[bool, Parameter(negative="", help="Show values that look secret.")] = False,
    json: Json = False,
) -> None:
    """Show one image, index, chart or other artifact."""
    registry, wanted = read_reference(reference)
    image = act(lambda services, actor: inspect.open_image(services, actor, registry, wanted, platform, reveal=reveal))
    if json:
        print_json(image)
    else:
        _print_image(image)


def _print_page(page: Page[T], titles: tuple[str, ...], row: Callable[[T], tuple[Cell, ...]], json: bool) -> None:
    if json:
        print_json(page)
        return
    print_table(titles, [row(item) for item in page.items])
    if page.next is not None:
        print_note(f"There is more: --cursor {page.next}")


def _repository_row(found: Repository) -> tuple[Cell, ...]:
    stored, pushed, pulled = Bytes.of(found.size), found.pushed_at, found.last_pulled
    return (found.name, found.kind, found.tag_count, found.newest_tag, stored, pushed, pulled)


def _tag_row(found: TagRow) -> tuple[Cell, ...]:
    platforms, stored = ",".join(found.platforms) or None, Bytes.of(found.size)
    return (found.name, found.kind, platforms, found.created, stored, found.digest, found.last_pulled)


def _print_image(image: Image) -> None:
    print_facts(
        (
            ("reference", f"{image.registry}/{image.reference}"),
            ("digest", image.digest),
            ("kind", image.kind),
            ("media type", image.media_type),
            ("platforms", ", ".join(image.platforms)),
            ("created", image.created),
            ("size", None if image.size is None else f"{size(image.size)} ({image.size} bytes)"),
            ("tags", ", ".join(image.tags)),
            ("as of", image.freshness.as_of),
            ("problem", image.problem),
        )
    )
    for key, value in sorted(image.metadata.items()):
        print_line(f"  {key}: {value}")
    _print_parts(image)


def _print_parts(image: Image) -> None:
    """What is inside: configuration, layers, entries of an index, attachments."""
    if image.config is not None:
        print_facts(
            (
                ("entrypoint", " ".join(image.config.entrypoint or ())),
                ("cmd", " ".join(image.config.cmd or ())),
                ("user", image.config.user),
                ("ports", ", ".join(image.config.exposed_ports)),
            )
        )
    for child in image.manifests:
        print_line(f"manifest: {child.digest} {child.platform or child.kind or UNKNOWN} {size(child.size)}")
    for layer in image.layers:
        if layer.digest is not None:
            print_line(f"layer: {layer.digest} {size(layer.size)}")
    for attachment in image.attachments:
        print_line(f"attached: {attachment.digest} {attachment.kind}")
