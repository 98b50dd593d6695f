"""Values as people read them: sizes, times, counts and digests. Pure; the templates' filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "—"
"""Stands where a value is not known: never a made-up zero."""
_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_STEP: Final = 1000
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_MONTH: Final = 30.44 * _DAY
_YEAR: Final = 365.25 * _DAY
_DISTANCES: Final = (
    (1, 1, ""),
    (_MINUTE, 1, "s"),
    (_HOUR, _MINUTE, "min"),
    (_DAY, _HOUR, "h"),
    (2 * _DAY, _DAY, ""),
    (2 * _WEEK, _DAY, "day"),
    (2 * _MONTH, _WEEK, "week"),
    (2 * _YEAR, _MONTH, "month"),
)
"""Below so many seconds: counted in what, and called what."""
_SHORT_DIGEST: Final = 12
_REMEMBERED: Final = 8192
"""Pages show the same sizes and times again and again."""
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Controls but for tab and line ends, marks that turn the direction of text, and spaces of no width.
The joiners U+200C and U+200D stay: Persian and emoji are written with them."""
_PLAIN: Final = bytes((*b"\t\n\r", *range(0x20, 0x7F)))
"""The bytes of text that need no look."""


@lru_cache(_REMEMBERED)
def size(value: int | None) -> str:
    """Bytes in decimal units, as registries and `docker pull` count: `186.9 MB`, `12 B`."""
    if value is None:
        return UNKNOWN
    amount, unit = float(value), 0
    while round(amount, 1) >= _STEP and unit < len(_UNITS) - 1:
        amount /= _STEP
        unit += 1
    return f"{value} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


@lru_cache(_REMEMBERED)
def exact_size(value: int | None) -> str:
    """For a title: `186,912,004 bytes`."""
    return "not known" if value is None else plural(value, "byte")


def visible(text: str) -> str:
    """What nobody would see, written out: `safe\\u202egnp.exe` is no longer read as an image."""
    # Of nearly every page nothing suspicious is left; looked at in a fraction of the time.
    if text.encode().translate(None, _PLAIN).decode().isprintable():
        return text
    return _UNSEEN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def count(value: int | None) -> str:
    """`2,004`."""
    return UNKNOWN if value is None else f"{value:,}"


def plural(value: int | None, noun: str, nouns: str | None = None) -> str:
    """`1 tag`, `2,004 tags`; `nouns` where adding an s is wrong (`repository`, `repositories`)."""
    return f"{count(value)} {noun if value == 1 else nouns or noun + 's'}"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """`12 s ago`, `5 min ago`, `2 h ago`, `yesterday`, `3 weeks ago`; `in 4 days` for the future.

    The same words as static/js/time.js, which keeps them true while the page is open.
    """
    if when is None:
        return UNKNOWN
    seconds = ((now or datetime.now(UTC)) - when).total_seconds()
    text = _distance(abs(seconds))
    if text in ("now", "yesterday"):
        return text if seconds > -_MINUTE else "tomorrow"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def _distance(seconds: float) -> str:
    for limit, step, unit in _DISTANCES:
        if seconds < limit:
            return _worded(int(seconds // step), unit, limit)
    return f"{int(seconds // _YEAR)} years"


def _worded(number: int, unit: str, limit: float) -> str:
    if not unit:
        return "now" if limit == 1 else "yesterday"
    if unit in ("s", "min", "h"):
        return f"{number} {unit}"
    return plural(number, unit)


@lru_cache(_REMEMBERED)
def exact_time(when: datetime | None) -> str:
    """For a title: `2026-03-01 14:05:09 UTC`."""
    return "not known" if when is None else f"{_plain(when).isoformat(' ', 'seconds')} UTC"


@lru_cache(_REMEMBERED)
def iso_time(when: datetime) -> str:
    """For the `datetime` attribute: RFC 3339 in UTC, to the second."""
    return f"{_plain(when).isoformat('T', 'seconds')}Z"


def _plain(when: datetime) -> datetime:
    """In UTC, without saying so: `isoformat` is a fraction of `strftime`'s work."""
    return when.astimezone(UTC).replace(tzinfo=None)


def short_digest(digest: str) -> str:
    """`sha256:4c0fdaa8b634`: enough to recognise, not enough to rely on."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:_SHORT_DIGEST]}"


def duration(seconds: float | None) -> str:
    """`30 s`, `1.5 s`, `5 min`, `2 h`."""
    if seconds is None:
        return UNKNOWN
    for step, unit in ((_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= step and seconds % step == 0:
            return f"{seconds / step:g} {unit}"
    return f"{seconds:g} s"


def percent_of(part: int | None, whole: int | None) -> int:
    """Whole percents for a bar: at least 1 where there is something, 0 where there is nothing."""
    if not part or not whole:
        return 0
    return max(1, min(100, round(100 * part / whole)))
