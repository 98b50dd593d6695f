"""Charts of events: bars for the server to draw, and the same numbers as tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from kubedash.records import EventCounts, EventPoint, EventStats, TopEntry
from kubedash.web.formatting import iso_time, percent_of, plural

SERIES: Final = (("push", "pushes"), ("pull", "pulls"), ("delete", "deletions"), ("mount", "mounts"))
"""What a chart stacks, from the bottom up, and what people call it."""
_ONE: Final = {"pushes": "push", "pulls": "pull", "deletions": "deletion", "mounts": "mount", "events": "event"}
HEIGHT: Final = 100
"""Of a chart, in its own units; its width is the number of its bars."""
_HOUR: Final = 3600
_GAP: Final = 0.2


class Part(msgspec.Struct, frozen=True, gc=False):
    """One colour of a bar."""

    series: str
    y: float
    height: float


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One step of a chart, with its numbers."""

    x: float
    width: float
    title: str
    """Step and numbers, in words."""
    label: str
    """The step alone."""
    time: str
    """Where the step begins, RFC 3339; empty where it is no moment."""
    numbers: tuple[int, ...]
    """One for each series."""
    parts: tuple[Part, ...]
    """What is drawn, bottom up."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars side by side."""

    bars: tuple[Bar, ...]
    series: tuple[tuple[str, str], ...]
    """Series that occur at all: slug and what people call it."""
    top: int
    """What the highest bar counts."""
    ticks: tuple[str, ...]
    """Words below the axis: its beginning, its middle and its end."""
    width: int
    """In its own units: one a bar."""
    height: int
    """In its own units."""


class Ranked(msgspec.Struct, frozen=True, gc=False):
    """One line of a top list."""

    name: str
    """A repository or an actor."""
    registry: str | None
    """Of a repository."""
    href: str | None
    """Its events."""
    count: int
    """How many there are."""
    percent: int
    """The same in percent of the largest."""


def series_chart(stats: EventStats) -> Chart:
    """What happened over time, in steps of an hour or a day."""
    points = stats.points
    named = [_step_name(point.at, stats.step) for point in points]
    numbers = [_numbers(point) for point in points]
    moments = [iso_time(point.at) for point in points]
    return _chart(named, moments, numbers, _ticks(named))


def hours_chart(by_hour: Sequence[int]) -> Chart:
    """Everything counted, by hour of the day."""
    named = [f"{hour:02d}:00" for hour in range(len(by_hour))]
    return _chart(named, [""] * len(named), [(many,) for many in by_hour], _ticks(named), (("all", "events"),))


def ranking(entries: Sequence[TopEntry], href: Callable[[TopEntry], str | None]) -> tuple[Ranked, ...]:
    """A top list with the length of each bar; `href` leads to the events of an entry."""
    largest = max((entry.count for entry in entries), default=0)
    return tuple(Ranked(e.name, e.registry, href(e), e.count, percent_of(e.count, largest)) for e in entries)


def counted(counts: EventCounts) -> int:
    """Everything a chart shows."""
    return sum(getattr(counts, name) for name, _ in SERIES)


def step_words(stats: EventStats) -> str:
    """What one bar stands for."""
    return "hour" if stats.step == _HOUR else "day"


def _numbers(point: EventPoint) -> tuple[int, ...]:
    return tuple(getattr(point.counts, name) for name, _ in SERIES)


def _step_name(at: datetime, step: int) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %H}:00" if step == _HOUR else f"{at.day} {at:%b %Y}"


def _ticks(named: Sequence[str]) -> tuple[str, ...]:
    if len(named) < 3:
        return tuple(named)
    return named[0], named[len(named) // 2], named[-1]


def _chart(
    named: Sequence[str],
    moments: Sequence[str],
    numbers: Sequence[tuple[int, ...]],
    ticks: tuple[str, ...],
    series: tuple[tuple[str, str], ...] = SERIES,
) -> Chart:
    top = max(map(sum, numbers), default=0)
    seen = {index for row in numbers for index, many in enumerate(row) if many}
    return Chart(
        bars=tuple(
            Bar(
                x=index + _GAP / 2,
                width=1 - _GAP,
                title=f"{name}: {_in_words(row, series)}",
                label=name,
                time=moment,
                numbers=row,
                parts=_parts(row, series, top),
            )
            for index, (name, moment, row) in enumerate(zip(named, moments, numbers, strict=True))
        ),
        series=tuple(entry for index, entry in enumerate(series) if index in seen),
        top=top,
        ticks=ticks,
        width=max(1, len(named)),
        height=HEIGHT,
    )


def _in_words(row: tuple[int, ...], series: tuple[tuple[str, str], ...]) -> str:
    told = [plural(many, _ONE.get(noun, noun), noun) for many, (_, noun) in zip(row, series, strict=True) if many]
    return ", ".join(told) or "nothing"


def _parts(row: tuple[int, ...], series: tuple[tuple[str, str], ...], top: int) -> tuple[Part, ...]:
    """Stacked from the bottom; what happened at all is at least a line."""
    parts, floor = [], float(HEIGHT)
    for many, (name, _) in zip(row, series, strict=True):
        if many:
            height = max(1.0, round(HEIGHT * many / top, 2))
            floor = max(0.0, floor - height)
            parts.append(Part(name, round(floor, 2), height))
    return tuple(parts)


def left_out(stats: EventStats) -> str:
    """What figures leave out, in words; empty where that is nothing."""
    many = stats.totals.other
    if not many:
        return ""
    what = "checks by HEAD, layers, parts of a pull that is counted, and KubeDash's own requests"
    return f"{plural(many, 'more event')} not counted: {what}."
