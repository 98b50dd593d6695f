"""What a timeline is asked for, from and to its address. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.records import EventFilter
from kubedash.web.addresses import query_string
from kubedash.web.rendering import Here

RANGES: Final = (("", "All time"), ("24h", "24 h"), ("7d", "7 days"), ("30d", "30 days"), ("365d", "A year"))
"""Values of `range` and what people call them."""
FIELDS: Final = (
    ("actor", "Who"),
    ("registry", "Registry"),
    ("repository", "Image"),
    ("tag", "Tag"),
    ("digest", "Digest"),
    ("address", "Address"),
)
"""Fields whose value must be met exactly, and what people call them."""
LABELS: Final = {
    "action": "action",
    "actor": "by",
    "repository": "image",
    "tag": "tag",
    "digest": "digest",
    "address": "from",
    "registry": "registry",
    "since": "since",
    "until": "until",
}
MAX_LENGTH: Final = 512
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_HOURS: Final = {"24h": 24, "7d": 24 * 7, "30d": 24 * 30, "365d": 24 * 365}


class Chosen(msgspec.Struct, frozen=True):
    """One filter that is set."""

    label: str
    """What it filters by."""
    value: str
    """What is looked for."""
    without: str
    """This page without it."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """As the address says; an empty text does not filter."""

    action: str = ""
    actor: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    address: str = ""
    registry: str = ""
    since: str = ""
    """A day or a moment, RFC 3339."""
    until: str = ""
    own: str = ""
    """`all`: with what KubeDash itself only read, which is left out otherwise."""
    range: str = ""
    """A stretch of time up to now: `24h`, `7d`, `30d`, `365d`."""

    def to_query(self, now: datetime, registry: str | None = None, repository: str | None = None) -> EventFilter:
        """`registry` and `repository` are those of the page. Raises `InvalidInput` with `fields`."""
        since = _moment("since", self.since)
        if since is None and self.range:
            since = now - timedelta(hours=_hours(self.range))
        return EventFilter(
            registry=registry or self.registry or None,
            repository=repository or self.repository or None,
            tag=self.tag or None,
            digest=self.digest or None,
            actions=tuple(filter(None, self.action.split(","))),
            actor=self.actor or None,
            address=self.address or None,
            since=since,
            until=_end(self.until),
            quiet=self.own != "all",
        )

    def as_query(self) -> str:
        """`?actor=ci&range=7d`, or nothing."""
        return query_string({name: getattr(self, name) for name in self.__struct_fields__})

    def chosen(self, here: Here, switches: Collection[str] = ()) -> tuple[Chosen, ...]:
        """What is set, but for the range and actions that have a switch of their own."""
        return tuple(
            Chosen(label, value, here(**{name: None, "cursor": None, "open": None}))
            for name, label in LABELS.items()
            if (value := getattr(self, name)) and not (name == "action" and value in switches)
        )


def filters_of(query: Mapping[str, str]) -> Filters:
    """Reads an address; what is too long to match anything is cut."""
    return Filters(**{name: query.get(name, "").strip()[:MAX_LENGTH] for name in Filters.__struct_fields__})


def _hours(name: str) -> int:
    if name not in _HOURS:
        raise InvalidInput(f"There is no range {name[:20]!r}.", fields={"range": f"one of {', '.join(_HOURS)}"})
    return _HOURS[name]


def _moment(field: str, text: str) -> datetime | None:
    """A day is its first moment in UTC; a moment without a zone is in UTC."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text[:40]!r} is no time.", fields={field: "a day as 2026-11-25, or a moment as 2026-11-25T14:00:00Z"}
        ) from error


def _end(text: str) -> datetime | None:
    """A day is meant whole: up to its end. The last day that a calendar has is as good as none."""
    found = _moment("until", text)
    if found is None or not _DAY.fullmatch(text):
        return found
    return found + timedelta(days=1) if found.date() < date.max else None
