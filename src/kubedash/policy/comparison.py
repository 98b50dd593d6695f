"""What differs between two images: settings, variables, labels and layers. Pure.

Values are compared as they are and masked afterwards, by the same rule as on the page
of one image: that a secret differs may be known, what it is may not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubedash.artifacts import secrets
from kubedash.oci.digest import Digest
from kubedash.records import (
    Change,
    Child,
    ComparedImage,
    ConfigView,
    Image,
    LabelView,
    LayerChange,
    LayerSums,
    LayerView,
    PlatformComparison,
    Record,
    ValueChange,
)

MAX_PLATFORMS: Final = 40
"""So many pairs of platforms are looked into; an index may name thousands."""
_SETTINGS: Final = (
    "entrypoint",
    "cmd",
    "working_dir",
    "user",
    "exposed_ports",
    "volumes",
    "healthcheck",
    "stop_signal",
    "shell",
    "on_build",
    "author",
)
_MASKED_SETTINGS: Final = frozenset({"entrypoint", "cmd"})
_MAX_METADATA: Final = 100


class Pair(Record, frozen=True, kw_only=True):
    """A platform that either has, with the manifests behind it."""

    platform: str | None
    before: Child | None
    after: Child | None

    @property
    def change(self) -> Change:
        if self.before is None or self.after is None:
            return Change.ADDED if self.before is None else Change.REMOVED
        return Change.SAME if self.before.digest == self.after.digest else Change.CHANGED


def pair_platforms(before: Image, after: Image) -> tuple[Pair, ...]:
    """In the order of the `after`, then what only the `before` has.

    Two plain images are one pair, whatever their platforms.
    """
    if not before.manifests and not after.manifests:
        platform = after.platform or before.platform
        return (Pair(platform=platform, before=_only(before), after=_only(after)),)
    old, new = _by_platform(before), _by_platform(after)
    names = dict.fromkeys((*new, *old))
    return tuple(Pair(platform=name[0] or None, before=old.get(name), after=new.get(name)) for name in names)


def compare_inside(pair: Pair, before: Image, after: Image, *, reveal: bool) -> PlatformComparison:
    """The two manifests of a pair, read in full. `reveal` leaves values that look secret unmasked."""
    layers = compare_layers(before.layers, after.layers, reveal=reveal)
    env = _environment(before.config), _environment(after.config)
    problems = [image.problem for image in (before, after) if image.problem]
    return msgspec.structs.replace(
        outside(pair),
        config=(*_settings(before, after, reveal=reveal), *_metadata(before, after)),
        env=compare_values(*env, *(map(_masked, env) if not reveal else env)),
        labels=compare_values(_labels(before.labels), _labels(after.labels)),
        layers=layers,
        sums=sum_layers(layers),
        problem=" ".join(problems) or None,
    )


def outside(pair: Pair, problem: str | None = None) -> PlatformComparison:
    """A pair that need not or cannot be looked into."""
    return PlatformComparison(
        platform=pair.platform,
        change=pair.change,
        before=pair.before.digest if pair.before else None,
        after=pair.after.digest if pair.after else None,
        before_size=pair.before.size if pair.before else None,
        after_size=pair.after.size if pair.after else None,
        problem=problem,
    )


def side_of(image: Image) -> ComparedImage:
    return ComparedImage(
        registry=image.registry,
        repository=image.repository,
        reference=image.reference,
        name=image.name,
        digest=image.digest,
        media_type=image.media_type,
        kind=image.kind,
        artifact_type=image.artifact_type,
        created=image.created,
        size=image.size,
        platforms=image.platforms,
    )


def compare_values(
    before: Mapping[str, str],
    after: Mapping[str, str],
    shown_before: Mapping[str, str] | None = None,
    shown_after: Mapping[str, str] | None = None,
) -> tuple[ValueChange, ...]:
    """What differs, in the order of the `after`; `shown_…` are the same values as they may be shown."""
    told_before, told_after = shown_before or before, shown_after or after
    return tuple(
        ValueChange(
            name=name,
            change=_change(before.get(name), after.get(name)),
            before=told_before.get(name),
            after=told_after.get(name),
            masked=told_before.get(name) != before.get(name) or told_after.get(name) != after.get(name),
        )
        for name in dict.fromkeys((*after, *before))
        if before.get(name) != after.get(name)
    )


def compare_layers(
    before: Sequence[LayerView], after: Sequence[LayerView], *, reveal: bool = False
) -> tuple[LayerChange, ...]:
    """The layers of the `after` in their order; what went follows the layer on which it lay."""
    old, new = _with_content(before, reveal=reveal), _with_content(after, reveal=reveal)
    kept = {digest for digest, _ in old} & {digest for digest, _ in new}
    gone: dict[Digest | None, list[LayerChange]] = {}
    below: Digest | None = None
    for digest, layer in old:
        if digest in kept:
            below = digest
        else:
            gone.setdefault(below, []).append(_layer(digest, layer, Change.REMOVED))
    found = gone.pop(None, [])
    for digest, layer in new:
        found.append(_layer(digest, layer, Change.SAME if digest in kept else Change.ADDED))
        found += gone.pop(digest, [])
    return tuple(found)


def sum_layers(layers: Iterable[LayerChange]) -> LayerSums:
    """Each digest counts once."""
    by_change: dict[Change, dict[Digest, int | None]] = {change: {} for change in Change}
    for layer in layers:
        by_change[layer.change][layer.digest] = layer.size
    return LayerSums(
        shared=len(by_change[Change.SAME]),
        shared_size=_sum(by_change[Change.SAME].values()),
        added=len(by_change[Change.ADDED]),
        added_size=_sum(by_change[Change.ADDED].values()),
        removed=len(by_change[Change.REMOVED]),
        removed_size=_sum(by_change[Change.REMOVED].values()),
    )


def _only(image: Image) -> Child:
    """A plain image as if it were the only entry of an index."""
    return Child(
        digest=image.digest, platform=image.platform, size=image.size, kind=image.kind, media_type=image.media_type
    )


def _by_platform(image: Image) -> dict[tuple[str, int], Child]:
    """Platform → entry; a platform that is named several times is told apart by its turn."""
    found: dict[tuple[str, int], Child] = {}
    for child in image.manifests or (_only(image),):
        if child.attests is None:
            turn = 0
            while (child.platform or "", turn) in found:
                turn += 1
            found[child.platform or "", turn] = child
    return found


def _change(before: str | None, after: str | None) -> Change:
    if before is None:
        return Change.ADDED
    return Change.REMOVED if after is None else Change.CHANGED


def _settings(before: Image, after: Image, *, reveal: bool) -> tuple[ValueChange, ...]:
    old, new = _set_in(before.config), _set_in(after.config)
    if reveal:
        return compare_values(old, new)
    return compare_values(old, new, _set_in(before.config, mask=True), _set_in(after.config, mask=True))


def _set_in(config: ConfigView | None, *, mask: bool = False) -> dict[str, str]:
    """Settings that are there, as text."""
    values = {name: getattr(config, name) for name in _SETTINGS} if config else {}
    if mask:
        masked = {name: secrets.mask_lines(values[name]) for name in _MASKED_SETTINGS & values.keys() if values[name]}
        values.update(masked)
    return {name: _told(value) for name, value in values.items() if value}


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value
    built = msgspec.to_builtins(value)
    if isinstance(built, dict):
        built = {name: part for name, part in built.items() if part is not None}
    return json.dumps(built, ensure_ascii=False)


def _metadata(before: Image, after: Image) -> tuple[ValueChange, ...]:
    """The config of an artifact that is no image, such as a chart's metadata, by its outermost names."""
    return compare_values(_json_object(before.config_json), _json_object(after.config_json))


def _json_object(text: str | None) -> dict[str, str]:
    try:
        value = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {"config": text or ""}
    return {name: _told(part) for name, part in list(value.items())[:_MAX_METADATA]}


def _environment(config: ConfigView | None) -> dict[str, str]:
    """Name → value; of a name that is set twice the last value counts, as in a container."""
    lines = (line.partition("=") for line in (config.env if config else ()))
    return {name: value for name, _, value in lines}


def _masked(env: Mapping[str, str]) -> dict[str, str]:
    shown, _ = secrets.mask_env(f"{name}={value}" for name, value in env.items())
    return {name: line[len(name) + 1 :] for name, line in zip(env, shown, strict=True)}


def _labels(labels: Sequence[LabelView]) -> dict[str, str]:
    """Key → value; of a key that is written in several places the strongest counts."""
    return {label.key: label.value for label in reversed(labels)}


def _with_content(layers: Sequence[LayerView], *, reveal: bool) -> list[tuple[Digest, LayerView]]:
    """Instructions without a layer are left out; what looks secret in the others is masked."""
    commands = [layer.created_by for layer in layers]
    shown = commands if reveal else secrets.mask_lines(commands)
    return [
        (layer.digest, msgspec.structs.replace(layer, created_by=command))
        for layer, command in zip(layers, shown, strict=True)
        if layer.digest is not None
    ]


def _layer(digest: Digest, layer: LayerView, change: Change) -> LayerChange:
    return LayerChange(
        digest=digest,
        change=change,
        size=layer.size,
        media_type=layer.media_type,
        created_by=layer.created_by,
        title=layer.title,
    )


def _sum(sizes: Collection[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
