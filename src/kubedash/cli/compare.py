"""`kubedash diff`: what differs between two images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from cyclopts import Parameter

from kubedash.cli.doors import Json, act, read_reference
from kubedash.cli.output import print_json, print_line, size
from kubedash.records import Change, Comparison, LayerChange, PlatformComparison, ValueChange
from kubedash.workflows import compare

_SIGNS: Final = {Change.ADDED: "+", Change.REMOVED: "-", Change.SAME: " ", Change.CHANGED: "~"}


def diff(
    before: Annotated[str, Parameter(help="The older one: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.")],
    after: Annotated[str, Parameter(help="The newer one, of the same registry or another.")],
    /,
    *,
    reveal: Annotated[bool, Parameter(negative="", help="Show values that look secret.")] = False,
    json: Json = False,
) -> None:
    """Show what differs between two images: settings, variables, labels, layers; of indexes by platform."""
    places = read_reference(before), read_reference(after)
    found = act(lambda services, actor: compare.compare(services, actor, *places, reveal=reveal))
    if json:
        print_json(found)
        return
    for line in _lines(found):
        print_line(line)


def _lines(found: Comparison) -> Iterator[str]:
    """As `diff -u` writes them: `-` is of the older one, `+` of the newer one."""
    for sign, side in (("---", found.before), ("+++", found.after)):
        yield f"{sign} {side.registry}/{side.reference} {side.digest} {size(side.size)}"
    if found.same:
        yield "Both are the same manifest."
        return
    for entry in found.platforms:
        yield f"@@ {entry.platform or 'no platform'}: {entry.change}"
        yield from _inside(entry)
    if found.left_out:
        yield f"{found.left_out} more platforms differ and were not looked into."


def _inside(entry: PlatformComparison) -> Iterator[str]:
    if entry.problem:
        yield f"  not all of it could be compared: {entry.problem}"
    for title, changes in (("config", entry.config), ("env", entry.env), ("label", entry.labels)):
        for change in changes:
            yield from _value(title, change)
    yield from map(_layer, entry.layers)
    if entry.sums is not None:
        kept = f"{entry.sums.shared} layers kept ({size(entry.sums.shared_size)})"
        fetched = f"{entry.sums.added} to fetch ({size(entry.sums.added_size)})"
        yield f"  {kept}, {fetched}, {entry.sums.removed} no longer needed ({size(entry.sums.removed_size)})"


def _value(title: str, change: ValueChange) -> Iterator[str]:
    if change.before is not None:
        yield f"- {title} {change.name}={change.before}"
    if change.after is not None:
        yield f"+ {title} {change.name}={change.after}"


def _layer(layer: LayerChange) -> str:
    what = layer.created_by or layer.title or ""
    return f"{_SIGNS[layer.change]} layer {layer.digest} {size(layer.size)} {what}".rstrip()
