"""Image configs (image-spec config.md, and docker's additions to it) and build history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from kubedash.oci.decoding import Notes, decode, parse_time
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import Descriptor, Platform, WirePlatform, platform_of

_NANOSECONDS: Final = 1_000_000_000
_MAX_DURATION: Final = 2**63 - 1
MAX_HISTORY: Final = 10_000


class Healthcheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Docker's healthcheck; durations in seconds, None means inherited."""

    test: tuple[str, ...]
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    start_interval: float | None = None
    retries: int | None = None


class RuntimeConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a container of the image starts with; fields are named as in `ConfigView`."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    working_dir: str | None = None
    user: str | None = None
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    """Always with the protocol: `80/tcp`."""
    healthcheck: Healthcheck | None = None
    stop_signal: str | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()


class HistoryStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One instruction of the build, as the builder noted it."""

    created_by: str | None = None
    created: datetime | None = None
    author: str | None = None
    comment: str | None = None
    empty: bool = False
    """True where the instruction made no layer."""


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The config blob of an image."""

    created: datetime | None = None
    author: str | None = None
    platform: Platform | None = None
    config: RuntimeConfig = RuntimeConfig()
    history: tuple[HistoryStep, ...] = ()
    """Oldest first."""
    diff_ids: tuple[Digest, ...] = ()
    """Digests of the unpacked layers, base first; empty where one of them is invalid."""
    problem: str | None = None
    """What could not be read, in a sentence."""


class BuildStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An instruction with the layer that it made: either side may be missing."""

    created_by: str | None = None
    created: datetime | None = None
    comment: str | None = None
    empty: bool = False
    layer: Descriptor | None = None


class _WireHealthcheck(msgspec.Struct, gc=False, rename="pascal"):
    test: list[str] | None = None
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    retries: int | None = None


class _WireRuntime(msgspec.Struct, gc=False, rename="pascal"):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | str | None = None
    cmd: list[str] | str | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: _WireHealthcheck | None = None
    on_build: list[str] | None = None
    shell: list[str] | None = None


class _WireHistory(msgspec.Struct, gc=False):
    created: str | None = None
    author: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _WireRootfs(msgspec.Struct, gc=False):
    diff_ids: list[str] | None = None


class _WireHead(WirePlatform, gc=False):
    created: str | None = None
    author: str | None = None
    config: _WireRuntime | None = None


class _WireConfig(_WireHead, gc=False):
    rootfs: _WireRootfs | None = None
    history: list[_WireHistory] | None = None


def parse_image_config(raw: bytes) -> ImageConfig:
    """The config; any field may be null or missing, and one of the wrong type is noted.

    Raises `InvalidInput` where `raw` is no JSON object.
    """
    notes = Notes()
    wire = decode(raw, _WireConfig, notes)
    history = tuple(map(_step, (wire.history or ())[:MAX_HISTORY]))
    return _config(wire, history, _diff_ids(wire.rootfs, notes), notes)


def parse_config_head(raw: bytes) -> ImageConfig:
    """As `parse_image_config`, but history and diff ids are skipped: half the work.

    Raises `InvalidInput` where `raw` is no JSON object.
    """
    notes = Notes()
    return _config(decode(raw, _WireHead, notes), (), (), notes)


def pair_history_with_layers(history: Sequence[HistoryStep], layers: Sequence[Descriptor]) -> tuple[BuildStep, ...]:
    """Each instruction with its layer, base first.

    Instructions that made a layer take the layers in order, which is right only where
    there are as many of them as layers. Otherwise (squashed images, builders that
    write no history) the layers stand alone, because any pairing would be a guess.
    """
    if sum(not step.empty for step in history) != len(layers):
        return tuple(BuildStep(layer=layer) for layer in layers)
    remaining = iter(layers)
    return tuple(
        BuildStep(
            created_by=step.created_by,
            created=step.created,
            comment=step.comment,
            empty=step.empty,
            layer=None if step.empty else next(remaining),
        )
        for step in history
    )


def _config(
    wire: _WireHead, history: tuple[HistoryStep, ...], diff_ids: tuple[Digest, ...], notes: Notes
) -> ImageConfig:
    return ImageConfig(
        created=parse_time(wire.created),
        author=wire.author or None,
        platform=platform_of(wire),
        config=_runtime(wire.config) if wire.config else RuntimeConfig(),
        history=history,
        diff_ids=diff_ids,
        problem=notes.text(),
    )


def _step(wire: _WireHistory) -> HistoryStep:
    return HistoryStep(
        created_by=wire.created_by or None,
        created=parse_time(wire.created),
        author=wire.author or None,
        comment=wire.comment or None,
        empty=bool(wire.empty_layer),
    )


def _diff_ids(rootfs: _WireRootfs | None, notes: Notes) -> tuple[Digest, ...]:
    if rootfs is None or not rootfs.diff_ids:
        return ()
    digests = tuple(digest for text in rootfs.diff_ids if (digest := Digest.try_parse(text)) is not None)
    if len(digests) == len(rootfs.diff_ids):
        return digests
    notes.add("rootfs.diff_ids holds an invalid digest")
    return ()


def _runtime(wire: _WireRuntime) -> RuntimeConfig:
    return RuntimeConfig(
        entrypoint=_command(wire.entrypoint),
        cmd=_command(wire.cmd),
        env=tuple(wire.env or ()),
        labels=wire.labels or {},
        working_dir=wire.working_dir or None,
        user=wire.user or None,
        volumes=tuple(sorted(wire.volumes or ())),
        exposed_ports=_ports(wire.exposed_ports),
        healthcheck=_healthcheck(wire.healthcheck) if wire.healthcheck else None,
        stop_signal=wire.stop_signal or None,
        shell=_command(wire.shell),
        on_build=tuple(wire.on_build or ()),
    )


def _command(words: list[str] | str | None) -> tuple[str, ...] | None:
    """A command's words; very old images have one text, which a shell was to read."""
    if not words:
        return None
    return ("/bin/sh", "-c", words) if isinstance(words, str) else tuple(words)


def _ports(ports: dict[str, Any] | None) -> tuple[str, ...]:
    if not ports:
        return ()
    with_protocol = {port if "/" in port else f"{port}/tcp" for port in ports}
    return tuple(sorted(with_protocol, key=lambda port: (len(port.partition("/")[0]), port)))


def _healthcheck(wire: _WireHealthcheck) -> Healthcheck:
    return Healthcheck(
        test=tuple(wire.test or ()),
        interval=_seconds(wire.interval),
        timeout=_seconds(wire.timeout),
        start_period=_seconds(wire.start_period),
        start_interval=_seconds(wire.start_interval),
        retries=wire.retries if wire.retries and 0 < wire.retries <= _MAX_DURATION else None,
    )


def _seconds(nanoseconds: int | None) -> float | None:
    return nanoseconds / _NANOSECONDS if nanoseconds and 0 < nanoseconds <= _MAX_DURATION else None
