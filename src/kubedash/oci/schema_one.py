"""Docker's schema 1: the config and its history are inside the manifest."""

from __future__ import annotations

from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import Notes, decode, parse_time
from kubedash.oci.image_config import BuildStep, HistoryStep, ImageConfig, parse_image_config
from kubedash.oci.manifest import Descriptor, Platform, SchemaOneManifest

LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class _WireContainer(msgspec.Struct, gc=False, rename="pascal"):
    cmd: list[str] | str | None = None


class _WireEntry(msgspec.Struct, gc=False):
    created: str | None = None
    author: str | None = None
    comment: str | None = None
    container_config: _WireContainer | None = None
    throwaway: bool | None = None


def schema_one_config(manifest: SchemaOneManifest) -> ImageConfig:
    """The config that the newest entry of the history holds, with the history in full.

    Never raises: what cannot be read is said in `problem`.
    """
    try:
        config = parse_image_config(manifest.history_json[-1].encode() if manifest.history_json else b"{}")
    except InvalidInput as error:
        config = ImageConfig(problem=f"its config cannot be read: {error.message}")
    history = tuple(map(_step, manifest.history_json))
    platform = config.platform or Platform("linux", manifest.architecture)
    return msgspec.structs.replace(config, history=history, platform=platform)


def schema_one_steps(manifest: SchemaOneManifest) -> tuple[BuildStep, ...]:
    """Instructions with their layers, base first.

    Both lists of the format are of the same length: entries marked `throwaway` changed
    nothing, and their layer is the empty one. Where the lengths differ after all, the
    layers stand alone.
    """
    layers = [Descriptor(LAYER_TYPE, digest, None) for digest in manifest.layers]
    if manifest.unreadable_layers or len(layers) != len(manifest.history_json):
        return tuple(BuildStep(layer=layer) for layer in layers)
    return tuple(map(_build_step, map(_step, manifest.history_json), layers))


def _build_step(step: HistoryStep, layer: Descriptor) -> BuildStep:
    return BuildStep(
        created_by=step.created_by,
        created=step.created,
        comment=step.comment,
        empty=step.empty,
        layer=None if step.empty else layer,
    )


def _step(entry: str) -> HistoryStep:
    try:
        wire = decode(entry.encode(), _WireEntry, Notes())
    except InvalidInput:
        return HistoryStep()
    words = wire.container_config.cmd if wire.container_config else None
    return HistoryStep(
        created_by=(words if isinstance(words, str) else " ".join(words)) if words else None,
        created=parse_time(wire.created),
        author=wire.author or None,
        comment=wire.comment or None,
        empty=bool(wire.throwaway),
    )
