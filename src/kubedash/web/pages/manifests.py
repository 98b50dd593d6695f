"""The manifest of an image: its exact bytes, in which digests and media types lead on."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response

from kubedash.oci.reference import Reference
from kubedash.policy.access import Actor
from kubedash.records import Image, ManifestRecord
from kubedash.web.addresses import Urls
from kubedash.web.pages.image_views import Header, header_of, layer_anchor
from kubedash.web.pages.raw_json import Piece, link_pieces
from kubedash.web.rendering import HtmlRequest, page, urls_of
from kubedash.workflows import inspect, registries
from kubedash.workflows.services import Services

MAX_SHOWN: Final = 256 * 1024


class ManifestView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    """What stands above every tab."""
    pieces: tuple[Piece, ...]
    """The document in pieces, some of them links."""
    size: int
    """Bytes of the manifest."""
    cut: bool
    """It is too long to be shown in full."""
    indented: bool
    """It was written in one line, and is broken into lines for reading."""


async def show_manifest(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/manifest`: the raw JSON."""
    platform = request.query_params.get("platform") or None
    image = await inspect.open_image(services, actor, registry, reference, platform)
    record = await inspect.open_manifest(services, actor, registry, reference)
    owner = await registries.show_registry(services, actor, registry)
    by_digest = request.query_params.get("pull") == "digest"
    links = links_of(urls_of(request), image, record)
    document = link_pieces(record.raw[:MAX_SHOWN], links)
    view = ManifestView(
        header=header_of(image, owner, "manifest", platform=platform, by_digest=by_digest),
        pieces=document.pieces,
        size=len(record.raw),
        cut=len(record.raw) > MAX_SHOWN,
        indented=document.indented,
    )
    return page(request, "images/manifest.html", view, section="registries")


async def download_manifest(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[bytes]:
    """`…/-/manifest/raw`: the very bytes, to be saved and never shown by a browser."""
    record = await inspect.open_manifest(services, actor, registry, reference)
    name = record.digest.encoded[:12]
    headers = {
        "Content-Disposition": f'attachment; filename="manifest-{name}.json"',
        "X-Content-Type-Options": "nosniff",
        "Docker-Content-Digest": record.digest,
        "Cache-Control": "no-store",
    }
    return Response(record.raw, media_type="application/octet-stream", headers=headers)


def links_of(urls: Urls, image: Image, record: ManifestRecord) -> dict[str, str]:
    """Where the digests of a manifest lead: manifests to their page, config and layers to their tabs."""
    here = (image.registry, image.repository)
    links: dict[str, str] = {}
    for child in image.manifests:
        links[child.digest] = urls.image(*here, child.digest)
    for digest in (image.digest, image.subject, *image.parents):
        if digest is not None:
            links[digest] = urls.image(*here, digest)
    for layer in image.layers:
        if layer.digest is not None:
            links.setdefault(layer.digest, f"{urls.image(*here, image.name, 'layers')}#{layer_anchor(layer.digest)}")
    if record.config_digest is not None:
        view = "config" if image.config is not None else None
        links.setdefault(record.config_digest, urls.image(*here, image.name, view))
    return links
