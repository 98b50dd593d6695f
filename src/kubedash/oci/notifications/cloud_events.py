"""CloudEvents 1.0 as zot and Harbor send them: binary, structured and in batches.

zot's data is `{name, reference, digest, mediaType, manifest}`, its attributes mostly in
`ce-` headers (the binary mode); Harbor's is in the structured form (CloudEvents, "HTTP
Protocol Binding").
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import Notes, decode, decode_any, mend
from kubedash.oci.digest import Digest
from kubedash.oci.notifications import harbor
from kubedash.oci.notifications.values import Action, Facts, Format, Notification, settle

_ZOT: Final = "zotregistry."
_HARBOR: Final = "harbor."
_ZOT_ACTIONS: Final = {
    "zotregistry.image.updated": Action.PUSH,
    "zotregistry.image.deleted": Action.DELETE,
    "zotregistry.image.pulled": Action.PULL,
    "zotregistry.repository.created": "create",
}
_HEADER: Final = "ce-"


class _Person(msgspec.Struct, gc=False):
    name: str | None = None


class _Request(msgspec.Struct, gc=False):
    addr: str | None = None
    host: str | None = None
    method: str | None = None
    useragent: str | None = None


class _ZotData(msgspec.Struct, gc=False, rename="camel"):
    name: str | None = None
    reference: str | None = None
    digest: str | None = None
    media_type: str | None = None
    manifest: str | None = None
    actor: _Person | None = None
    request: _Request | None = None


class _Event(msgspec.Struct, gc=False):
    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    operator: str | None = None
    data: Any = None
    data_base64: str | None = None


def read(raw: bytes) -> tuple[Notification, ...]:
    """One event in the structured form. Raises `InvalidInput` where it is no JSON object."""
    notes = Notes()
    event = decode(raw, _Event, notes)
    if event.data is None and event.data_base64 is not None:
        event.data = _unpacked(event.data_base64, notes)
    return _read(raw, event, notes)


def read_binary(headers: Mapping[str, str], body: bytes) -> tuple[Notification, ...]:
    """One event whose attributes are headers (names in lower case) and whose body is the data.

    It is kept as if it had come in the structured form.
    """
    notes = Notes()
    attributes = {
        name.removeprefix(_HEADER): unquote(text.encode("utf-8", "replace").decode())
        for name, text in headers.items()
        if name.startswith(_HEADER)
    }
    known = {name: text for name in ("id", "source", "type", "time", "operator") if (text := attributes.get(name))}
    data, kept = _data_of(body, notes)
    raw = msgspec.json.encode(attributes | {"data": kept})
    return _read(raw, _Event(**known, data=data), notes)


def _data_of(body: bytes, notes: Notes) -> tuple[Any, msgspec.Raw | str | None]:
    """The data as values, and as it is kept."""
    if not body.strip():
        return None, None
    try:
        return decode_any(body), msgspec.Raw(body)
    except InvalidInput as error:
        notes.add(f"the data is {error.message}"[:80])
        return None, body.decode("utf-8", "replace")


def _read(raw: bytes, event: _Event, notes: Notes) -> tuple[Notification, ...]:
    facts = Facts(
        format=Format.CLOUD_EVENTS, event_id=event.id, actor=event.operator, time=event.time, instance=event.source
    )
    data = event.data if isinstance(event.data, dict) else {}
    kind = event.type or ""
    if not kind.startswith(_HARBOR):
        return (_zot(raw, facts, kind, data, notes),)
    facts.action = harbor.action_of(kind)
    if isinstance(data.get("event_data"), dict):
        # Some proxies wrap Harbor's own form.
        facts.actor = facts.actor or _text_of(data.get("operator"))
        data = data["event_data"]
    return tuple(harbor.per_resource(raw, facts, mend(data, harbor.Data, notes), notes))


def _zot(raw: bytes, facts: Facts, kind: str, data: dict[str, Any], notes: Notes) -> Notification:
    found = mend(data, _ZotData, notes)
    request = found.request or _Request()
    facts.action = _ZOT_ACTIONS.get(kind) or kind.rpartition(".")[2] or None
    if not kind.startswith(_ZOT):
        notes.add("an event of a type that is not known")
    if not found.name:
        notes.add("there is no repository")
    by_digest = Digest.try_parse(found.reference) is not None
    facts.repository = found.name
    facts.digest = found.digest or (found.reference if by_digest else None)
    facts.tag = None if by_digest else found.reference
    facts.media_type = found.media_type
    facts.size = len(found.manifest.encode()) if found.manifest else None
    facts.actor = (found.actor or _Person()).name or facts.actor
    facts.address = request.addr
    facts.host = request.host
    facts.method = request.method
    facts.user_agent = request.useragent
    return settle(raw, facts, notes)


def _unpacked(text: str, notes: Notes) -> Any:
    try:
        return decode_any(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, InvalidInput):
        notes.add("the data cannot be unpacked")
        return None


def _text_of(value: Any) -> str | None:
    return value if isinstance(value, str) else None
