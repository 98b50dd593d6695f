"""One event of a registry, whoever sent it and however it was written."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import re
import socket
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import MAX_SIZE, Notes, parse_time, storable
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag

MAX_EVENTS: Final = 1_000
"""Events of one post that are read; registries send one, seldom some dozens."""
MAX_RAW: Final = 65_536
"""Characters of an event that are kept as they came."""
OWN_USER_AGENT: Final = "kubedash/"
"""How our own requests to a registry begin to name themselves."""
_MAX_ID: Final = 255
_MAX_ACTION: Final = 64
_MAX_NAME: Final = 512
_MAX_USER_AGENT: Final = 2_048
_MAX_STRANGE: Final = 500
_OUTSIDE_ACTIONS: Final = re.compile(r"[^a-z0-9_.-]+")
_PORT_DIGITS: Final = 5
_WITH_PORT: Final = re.compile(r"(?:\[(?P<six>[^\]]{1,100})\]|(?P<four>[^:\[\]]{1,100})):\d{1,5}")


class Action(StrEnum):
    """What happened, in the words of distribution; other senders' words are translated.

    Anything else a sender says stays as it is, in lower case.
    """

    PUSH = "push"
    PULL = "pull"
    MOUNT = "mount"
    DELETE = "delete"
    UNKNOWN = "unknown"
    """The event does not say, or cannot be read."""


class Format(StrEnum):
    """How an event was written."""

    DISTRIBUTION = "distribution"
    GITLAB = "gitlab"
    CLOUD_EVENTS = "cloudevents"
    HARBOR = "harbor"
    UNKNOWN = "unknown"


class Notification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one event says; what it does not say is None.

    Every text is a stranger's: capped and free of NUL, nothing more. `digest`, `tag`
    and `repository` follow the grammar unless `strange` says otherwise.
    """

    event_id: str
    """The sender's id, at most 255 characters; one made of the content where there is none."""
    action: str
    repository: str | None
    tag: str | None
    digest: str | None
    media_type: str | None
    size: int | None
    actor: str | None
    address: str | None
    """IP address of who asked the registry, without port."""
    address_claimed: bool
    """The address came from a header that anybody may send (`X-Forwarded-For`)."""
    user_agent: str | None
    method: str | None
    occurred_at: datetime | None
    """The registry's own clock, in UTC; nobody has compared it with ours."""
    host: str | None
    """The registry's host as the one who asked it wrote it: spoofable."""
    instance: str | None
    """Changes when the registry restarts (distribution), or names the sender (CloudEvents)."""
    from_repository: str | None
    """Where a mounted blob came from."""
    format: Format
    strange: str | None
    """Why the event could not be read whole; None: it could."""
    raw: str
    """Of a strange one, its JSON without white space, cut after `MAX_RAW` characters.

    Empty where nothing is strange, or an event tells of several things and this is not
    the first of them.
    """

    @property
    def own(self) -> bool:
        """Whether KubeDash itself asked the registry, as far as its User-Agent can be believed."""
        return self.user_agent is not None and self.user_agent.startswith(OWN_USER_AGENT)


class Parsed(msgspec.Struct, frozen=True):
    """One post."""

    notifications: tuple[Notification, ...]
    left_out: int = 0
    """Events beyond `MAX_EVENTS`."""


class Facts(msgspec.Struct, kw_only=True, gc=False):
    """What a format's reader found, before anything is checked."""

    format: Format
    event_id: str | None = None
    action: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    media_type: str | None = None
    size: int | None = None
    actor: str | None = None
    address: str | None = None
    user_agent: str | None = None
    method: str | None = None
    time: str | None = None
    host: str | None = None
    instance: str | None = None
    from_repository: str | None = None


def settle(raw: bytes, facts: Facts, notes: Notes, part: int = 0) -> Notification:
    """The facts of the event `raw` as a notification; whatever is odd about them is noted in `strange`.

    `part` counts the things of which one event tells.
    """
    address, claimed = split_address(facts.address)
    found = Notification(
        event_id=_identity(facts.event_id, raw, part, notes),
        action=_action(facts.action, notes),
        repository=_named(facts.repository, RepositoryName, "repository", notes),
        tag=_named(facts.tag, Tag, "tag", notes),
        digest=_named(facts.digest, Digest, "digest", notes),
        media_type=_text(facts.media_type, _MAX_NAME),
        size=_size(facts.size, notes),
        actor=_text(facts.actor, _MAX_NAME),
        address=address,
        address_claimed=claimed,
        user_agent=_text(facts.user_agent, _MAX_USER_AGENT),
        method=_text(facts.method, _MAX_ACTION),
        occurred_at=_time(facts.time, notes),
        host=_text(facts.host, _MAX_NAME),
        instance=_text(facts.instance, _MAX_ID),
        from_repository=_named(facts.from_repository, RepositoryName, "from-repository", notes),
        format=facts.format,
        strange=None,
        raw="",
    )
    why = notes.text()
    return _strange(found, why, "" if part else _kept(raw)) if why else found


def unreadable(raw: bytes, why: str) -> Notification:
    """An event that says nothing we understand: kept as it came."""
    found = settle(raw, Facts(format=Format.UNKNOWN, action=Action.UNKNOWN), Notes())
    return _strange(found, why, found.raw or _kept(raw))


def _strange(found: Notification, why: str, kept: str) -> Notification:
    return replace(found, strange=_text(why, _MAX_STRANGE), raw=kept)


def _kept(raw: bytes) -> str:
    """The event for the store: its JSON on one line where it can be read as such."""
    with contextlib.suppress(ValueError, RecursionError):
        raw = msgspec.json.format(raw, indent=-1)
    return storable(raw[: 4 * MAX_RAW].decode("utf-8", "replace"), MAX_RAW)


def split_address(text: str | None) -> tuple[str | None, bool]:
    """An address without its port, and whether it is only claimed.

    Registries report the connection itself with its port, and what a forwarding header
    says without one.
    """
    if not text:
        return None, False
    host, _, port = text.rpartition(":")
    if len(port) <= _PORT_DIGITS and port.isdecimal() and (number := _number(host)):
        return number, False
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        return _normal(match["six"] or match["four"]), False
    return _normal(text.strip("[]")), True


def _number(text: str) -> str | None:
    """An address of IPv4 that is written as one must be. Nearly every event has one, so this is the short way."""
    try:
        return socket.inet_ntoa(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _normal(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _text(text.strip(), _MAX_ID)
    # Some write a client of IPv4 as one of IPv6: it is the same one.
    return str(getattr(address, "ipv4_mapped", None) or address)


def _text(text: str | None, limit: int) -> str | None:
    return storable(text, limit) if text else None


def content_id(raw: bytes) -> str:
    """The id of an event that brings none: the same content is the same event."""
    return f"content:{hashlib.sha256(raw).hexdigest()}"


def _identity(text: str | None, raw: bytes, part: int, notes: Notes) -> str:
    if not text:
        identity = content_id(raw)
    elif len(text) > _MAX_ID - 10 or "\x00" in text:
        # Cut ids could be mistaken for each other, hashes cannot.
        notes.add("the id is too long or holds NUL")
        identity = f"id:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"
    else:
        identity = text
    return f"{identity}#{part}" if part else identity


def _action(text: str | None, notes: Notes) -> str:
    found = _OUTSIDE_ACTIONS.sub("_", (text or "")[:_MAX_ACTION].lower())
    if not found:
        notes.add("there is no action")
    return found or Action.UNKNOWN


def _named(
    text: str | None, kind: type[RepositoryName] | type[Tag] | type[Digest], what: str, notes: Notes
) -> str | None:
    if not text:
        return None
    try:
        return kind.parse(text)
    except InvalidInput:
        notes.add(f"the {what} does not follow the grammar")
        return storable(text, _MAX_NAME)


def _size(size: Any, notes: Notes) -> int | None:
    if size is None:
        return None
    if not 0 <= size <= MAX_SIZE:
        notes.add("the size is impossible")
        return None
    return int(size)


def _time(text: str | None, notes: Notes) -> datetime | None:
    found = parse_time(text)
    if found is None:
        notes.add("there is no time" if not text else "the time cannot be read")
    return found
