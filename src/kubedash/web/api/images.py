"""One image, index, chart or artifact, and its parts."""

from __future__ import annotations

import re
from typing import Annotated, Final

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec.structs import replace

from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import Attachment, Comparison, ConfigView, Image, ManifestRecord, Page
from kubedash.web.api.inventory import RepositoryParameter
from kubedash.web.api.lists import Cursor, Limit, Q, Sort
from kubedash.web.api.values import read_reference
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import compare, inspect

ReferenceParameter = Annotated[str, QueryParameter(description="A tag, or a digest.")]
Platform = Annotated[
    str | None,
    QueryParameter(max_length=300, description="Of an index: whose configuration and layers, such as `linux/arm64`."),
]
Reveal = Annotated[
    bool, QueryParameter(description="Show values of the environment that look secret. Needs a maintainer.")
]
_JSON_TYPE: Final = re.compile(r"application/[a-z0-9.+-]{1,120}json")
_OCTETS: Final = "application/octet-stream"
_KEYS: Final[Keys[Attachment]] = {
    "kind": lambda attachment: attachment.kind,
    "created": lambda attachment: attachment.created,
    "size": lambda attachment: attachment.size,
    "digest": lambda attachment: attachment.digest,
}


@get("/registries/{registry:str}/image", summary="Show an image")
async def show_image(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    reference: ReferenceParameter,
    platform: Platform = None,
    reveal: Reveal = False,
) -> Image:
    """Everything that is known of one image, index, chart or artifact."""
    wanted = read_reference(repository, reference)
    return await inspect.open_image(services, actor, registry, wanted, platform, reveal=reveal)


@get("/registries/{registry:str}/image/config", summary="Show an image's configuration")
async def show_config(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    reference: ReferenceParameter,
    platform: Platform = None,
    reveal: Reveal = False,
) -> ConfigView:
    """What a container of the image starts with; 404 where it has no image configuration."""
    wanted = read_reference(repository, reference)
    return await inspect.open_config(services, actor, registry, wanted, platform, reveal=reveal)


@get(
    "/registries/{registry:str}/image/manifest",
    summary="Read a manifest",
    responses={200: ResponseSpec(bytes, generate_examples=False, description="The manifest's exact bytes.")},
)
async def read_manifest(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    reference: ReferenceParameter,
) -> Response[bytes]:
    """The exact bytes, in their own media type, with `Docker-Content-Digest`."""
    record = await inspect.open_manifest(services, actor, registry, read_reference(repository, reference))
    headers = {"Docker-Content-Digest": record.digest, "Content-Disposition": "inline; filename=manifest.json"}
    return Response(record.raw, media_type=safe_media_type(record), headers=headers)


@get("/registries/{registry:str}/image/referrers", summary="List what is attached to an image")
async def list_referrers(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    reference: ReferenceParameter,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Attachment]:
    """Signatures, SBOMs, attestations and other artifacts attached to it. Sorts: kind, created, size, digest."""
    image = await inspect.open_image(services, actor, registry, read_reference(repository, reference))
    query = ListQuery(q=q, sort=sort, limit=limit, cursor=cursor)
    page = page_of(image.attachments, query, _KEYS, lambda found: f"{found.kind} {found.artifact_type} {found.digest}")
    return replace(page, as_of=image.freshness.as_of)


@get("/registries/{registry:str}/image/diff", summary="Compare two images")
async def compare_images(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    reference: ReferenceParameter,
    other: Annotated[str, QueryParameter(name="with", description="The older one: a tag, or a digest.")],
    other_repository: Annotated[
        str | None, QueryParameter(name="with_repository", description="Its repository, where that is another one.")
    ] = None,
    other_registry: Annotated[
        str | None, QueryParameter(name="with_registry", description="Its registry, where that is another one.")
    ] = None,
    reveal: Reveal = False,
) -> Comparison:
    """What differs from `with` to `reference`: settings, variables, labels and layers; of indexes by platform."""
    before = (other_registry or registry, read_reference(other_repository or repository, other))
    return await compare.compare(
        services, actor, before, (registry, read_reference(repository, reference)), reveal=reveal
    )


def safe_media_type(record: ManifestRecord) -> str:
    """The manifest's own type where it is JSON; nothing that a browser would show as a page."""
    return record.media_type if _JSON_TYPE.fullmatch(record.media_type) else _OCTETS
