"""The pages of one image: info, configuration, layers, Dockerfile, labels."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response

from kubedash.artifacts.dockerfile import Instruction, instruction_of
from kubedash.oci.reference import Reference
from kubedash.policy.access import Actor, Permission, allows
from kubedash.records import LayerView
from kubedash.web.formatting import percent_of
from kubedash.web.pages.chart import read_chart
from kubedash.web.pages.image_views import (
    ATTACHED_BY,
    ConfigurationView,
    Header,
    InfoView,
    LabelsView,
    attestation_children,
    facts_of,
    header_of,
    label_lines,
    layer_anchor,
    runnable_children,
    split_env,
)
from kubedash.web.pages.words import KIND_LABELS
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import inspect, registries, sync
from kubedash.workflows.services import Services

SECTION: Final = "registries"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction with the layer that it made."""

    number: int
    """Its position, counted from 1."""
    anchor: str
    """The id of its row, which the digests of the manifest lead to; empty without a layer."""
    instruction: Instruction
    """What was done, as a line of a Dockerfile."""
    layer: LayerView
    """The layer, if it made one."""
    percent: int
    """Its size in percent of the largest."""
    running: int | None
    """Bytes up to here; None once one of them is not known."""


class LayersView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    """What stands above every tab."""
    lines: tuple[Line, ...]
    """Instructions with and without a layer, base first."""
    layer_count: int
    """Those with a layer."""
    total: int | None
    """Compressed bytes of all layers, each counted as often as it occurs."""
    has_history: bool
    """The builder wrote down what it did, so that there is a Dockerfile to show."""


async def show_info(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`/r/{registry}/{reference}`: what it is, where it comes from, what it consists of."""
    header = await _header(request, services, actor, registry, reference, None)
    image = header.image
    view = InfoView(
        header=header,
        facts=facts_of(image),
        layer_count=sum(layer.digest is not None for layer in image.layers),
        platforms=runnable_children(image),
        attestations=attestation_children(image),
        files=() if image.config is not None else image.layers,
        chart=read_chart(image.config_json) if image.kind == "chart" else None,
        kinds=KIND_LABELS,
        attached_by=ATTACHED_BY,
    )
    return page(request, "images/info.html", view, section=SECTION)


async def show_config(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/config`: what a container starts with. `?reveal=1` shows masked values to those who may."""
    revealed = request.query_params.get("reveal") == "1"
    header = await _header(request, services, actor, registry, reference, "config")
    config = header.image.config
    view = ConfigurationView(
        header=header,
        env=split_env(config.env) if config else (),
        may_reveal=allows(actor, Permission.IMAGES_REVEAL),
        revealed=revealed,
    )
    return page(request, "images/config.html", view, section=SECTION)


async def show_layers(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/layers`: instructions and layers side by side."""
    header = await _header(request, services, actor, registry, reference, "layers")
    return page(request, "images/layers.html", _layers_view(header), section=SECTION)


async def show_dockerfile(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/layers/dockerfile`: the same as the Dockerfile that may have made it."""
    header = await _header(request, services, actor, registry, reference, "layers")
    return page(request, "images/dockerfile.html", _layers_view(header), section=SECTION)


async def show_labels(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/labels`: labels and annotations, what they mean and where they were written."""
    header = await _header(request, services, actor, registry, reference, "labels")
    view = LabelsView(header=header, labels=label_lines(header.image))
    return page(request, "images/labels.html", view, section=SECTION)


async def refresh_image(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[None]:
    """`POST …/-/sync`: asks for a refresh of its repository and goes back to the image."""
    await sync.request_sync(services, actor, registry, reference.repository)
    return redirect(request, urls_of(request).image(registry, reference.repository, reference.identifier))


async def _header(
    request: HtmlRequest,
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    tab: str | None,
) -> Header:
    asked = request.query_params
    platform = asked.get("platform") or None
    reveal = tab == "config" and asked.get("reveal") == "1"
    image = await inspect.open_image(services, actor, registry, reference, platform, reveal=reveal)
    owner = await registries.show_registry(services, actor, registry)
    return header_of(image, owner, tab, platform=platform, by_digest=asked.get("pull") == "digest")


def _layers_view(header: Header) -> LayersView:
    layers = header.image.layers
    made = [layer for layer in layers if layer.digest is not None]
    sizes = [layer.size for layer in made if layer.size is not None]
    complete = len(sizes) == len(made)
    return LayersView(
        header=header,
        lines=lines_of(layers),
        layer_count=len(made),
        total=sum(sizes) if complete else None,
        has_history=any(layer.created_by for layer in layers),
    )


def lines_of(layers: tuple[LayerView, ...]) -> tuple[Line, ...]:
    """Each layer with its share of the largest and the bytes up to it. Pure."""
    largest = max((layer.size or 0 for layer in layers), default=0)
    lines: list[Line] = []
    running: int | None = 0
    for number, layer in enumerate(layers, start=1):
        if layer.digest is not None:
            running = None if running is None or layer.size is None else running + layer.size
        lines.append(
            Line(
                number=number,
                anchor=layer_anchor(layer.digest) if layer.digest else "",
                instruction=instruction_of(layer.created_by),
                layer=layer,
                percent=percent_of(layer.size, largest),
                running=running,
            )
        )
    return tuple(lines)
