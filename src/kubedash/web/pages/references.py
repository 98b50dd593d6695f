"""Everything below `/r/{registry}/`: the address is an image reference, its view comes after `/-/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from litestar import Response, get, post
from litestar.params import FromPath

from kubedash.errors import NotFound
from kubedash.oci.reference import Reference, RepositoryName
from kubedash.policy.access import Actor
from kubedash.web import addresses
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages import (
    bulk,
    compare,
    copies,
    deletions,
    events,
    history,
    images,
    manifests,
    results,
    tagging,
    tags,
)
from kubedash.web.rendering import HtmlRequest
from kubedash.workflows.services import Services

Answer: TypeAlias = "Awaitable[Response[Any]]"
RepositoryView: TypeAlias = Callable[[HtmlRequest, Services, Actor, str, RepositoryName], Answer]
ImageView: TypeAlias = Callable[[HtmlRequest, Services, Actor, str, Reference], Answer]

REPOSITORY_VIEWS: Final[dict[str | None, RepositoryView]] = {
    None: tags.show_tags,
    "compare": compare.choose_comparison,
    "deleted": history.show_deleted,
    "deletion": bulk.show_bulk,
    "events": events.show_repository_events,
    "events/charts": events.show_repository_charts,
}
REPOSITORY_ACTIONS: Final[dict[str | None, RepositoryView]] = {
    "sync": tags.refresh_tags,
    "deletion": bulk.perform_bulk,
}
IMAGE_VIEWS: Final[dict[str | None, ImageView]] = {
    None: images.show_info,
    "config": images.show_config,
    "layers": images.show_layers,
    "layers/dockerfile": images.show_dockerfile,
    "labels": images.show_labels,
    "events": events.show_image_events,
    "manifest": manifests.show_manifest,
    "manifest/raw": manifests.download_manifest,
    "compare": compare.show_comparison,
    "copy": copies.show_copy,
    "deletion": deletions.show_deletion,
    "deletion/result": results.show_deletion_result,
    "history": history.show_history,
    "restoration": tagging.show_restoration,
    "tagging": tagging.show_tagging,
    "tagging/result": results.show_pointing_result,
}
IMAGE_ACTIONS: Final[dict[str | None, ImageView]] = {
    "sync": images.refresh_image,
    "copy": copies.perform_copy,
    "deletion": deletions.perform_deletion,
    "restoration": tagging.perform_restoration,
    "tagging": tagging.perform_tagging,
}
"""View → page. Later views are added here; their paths are the contract of docs/reference."""


@get("/r/{registry:str}/{rest:path}", name="reference")
async def show_reference(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str], rest: FromPath[str]
) -> Response[Any]:
    """A repository's tags, or one of the views of an image."""
    return await _answer(REPOSITORY_VIEWS, IMAGE_VIEWS, (request, services, actor, registry), rest)


@post("/r/{registry:str}/{rest:path}", name="reference-action", status_code=303)
async def act_on_reference(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str], rest: FromPath[str]
) -> Response[Any]:
    """What a form on such a page does."""
    return await _answer(REPOSITORY_ACTIONS, IMAGE_ACTIONS, (request, services, actor, registry), rest)


async def _answer(
    of_repository: dict[str | None, RepositoryView],
    of_image: dict[str | None, ImageView],
    call: tuple[HtmlRequest, Services, Actor, str],
    rest: str,
) -> Response[Any]:
    """Raises `NotFound` where the address has no such view."""
    address = addresses.parse(rest)
    if address.reference is not None and address.view in of_image:
        return await of_image[address.view](*call, address.reference)
    if address.reference is None and address.view in of_repository:
        return await of_repository[address.view](*call, address.repository)
    raise NotFound(
        f"There is no view {address.view!r} of this." if address.view else "Nothing can be done at this address.",
        hint="The tabs above a page lead to its views.",
    )
