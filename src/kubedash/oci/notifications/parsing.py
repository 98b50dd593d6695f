"""Which format a post is in, and its events one by one: one that is odd spoils no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sized
from typing import Any, Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import TooDeep, decode_any
from kubedash.oci.notifications import cloud_events, distribution, harbor
from kubedash.oci.notifications.values import MAX_EVENTS, Notification, Parsed, unreadable

_CLOUD_EVENTS: Final = "application/cloudevents"
_BINARY_MARKS: Final = ("ce-specversion", "ce-type", "ce-id")
_MAX_WHY: Final = 120
Read = Callable[[bytes], tuple[Notification, ...]]
Pieces = list[tuple[bytes, Read]]


class _Shape(msgspec.Struct, gc=False):
    """The fields by which an object's format is told."""

    events: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    specversion: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    action: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    target: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_SHAPE: Final = msgspec.json.Decoder(_Shape)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def parse(content_type: str, headers: Mapping[str, str], body: bytes) -> Parsed:
    """The events of one post, in the order of the sender.

    The content type only tells CloudEvents' modes apart; else the body speaks for itself.
    `headers` are looked up by lower-case names. Raises `InvalidInput` where there is no
    JSON at all; whatever else is wrong is said in a notification's `strange`.
    """
    structured = content_type.strip().lower().startswith(_CLOUD_EVENTS)
    if not structured and any(mark in headers for mark in _BINARY_MARKS):
        return Parsed(cloud_events.read_binary(headers, body))
    try:
        pieces, beyond = _split(body)
    except TooDeep as error:
        return Parsed((unreadable(body, error.message),))
    found: list[Notification] = []
    for position, (raw, read) in enumerate(pieces):
        if len(found) >= MAX_EVENTS:
            beyond += len(pieces) - position
            break
        found.extend(_read_one(raw, read))
    return Parsed(tuple(found[:MAX_EVENTS]), left_out=beyond + max(0, len(found) - MAX_EVENTS))


def _read_one(raw: bytes, read: Read) -> tuple[Notification, ...]:
    try:
        return read(raw)
    except InvalidInput as error:
        return (unreadable(raw, error.message[:_MAX_WHY]),)


def _split(body: bytes) -> tuple[Pieces, int]:
    """Each event's JSON with what reads it, and how many events there are beyond `MAX_EVENTS`."""
    try:
        shape = _SHAPE.decode(body)
    except (ValueError, RecursionError):
        return _split_leniently(body)
    if isinstance(shape.events, list):
        return [(bytes(event), distribution.read) for event in shape.events[:MAX_EVENTS]], _beyond(shape.events)
    return [(body, _reader(shape))], 0


def _split_leniently(body: bytes) -> tuple[Pieces, int]:
    """The same for lists of events, broken UTF-8 and whatever else is not as agreed."""
    try:
        events = _LIST.decode(body)
    except (ValueError, RecursionError):
        value = decode_any(body)
    else:
        return [(bytes(event), _read_any) for event in events[:MAX_EVENTS]], _beyond(events)
    if isinstance(value, dict) and isinstance(value.get("events"), list):
        return _written_all(value["events"], distribution.read)
    if isinstance(value, list):
        return _written_all(value, _read_any)
    return [(_written(value), _read_any)], 0


def _written_all(values: list[Any], read: Read) -> tuple[Pieces, int]:
    return [(_written(value), read) for value in values[:MAX_EVENTS]], _beyond(values)


def _beyond(events: Sized) -> int:
    return max(0, len(events) - MAX_EVENTS)


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _read_any(raw: bytes) -> tuple[Notification, ...]:
    """An event that may be of any format."""
    try:
        shape = _SHAPE.decode(raw)
    except (ValueError, RecursionError):
        return _read_unknown(raw)
    return _reader(shape)(raw)


def _reader(shape: _Shape) -> Read:
    if shape.specversion is not msgspec.UNSET:
        return cloud_events.read
    if shape.event_data is not msgspec.UNSET:
        return harbor.read
    if shape.target is not msgspec.UNSET or shape.action is not msgspec.UNSET:
        return distribution.read
    return _read_unknown


def _read_unknown(raw: bytes) -> tuple[Notification, ...]:
    return (unreadable(raw, "it is in no format that is known"),)
