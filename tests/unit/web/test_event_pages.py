"""Words, filters, charts and files of events."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kubedash.errors import InvalidInput
from kubedash.policy.event_filter import matches
from kubedash.records import Event, EventCounts, EventFilter, EventPoint, EventStats, TopEntry
from kubedash.web.addresses import Urls
from kubedash.web.pages import event_charts
from kubedash.web.pages.event_export import COLUMNS, csv_file, json_file
from kubedash.web.pages.event_filters import Filters, filters_of
from kubedash.web.pages.event_folds import Fold
from kubedash.web.pages.event_lines import Lines
from kubedash.web.pages.event_words import day_title, fields, marks
from kubedash.web.rendering import Here
from tests.support.event_records import BLOB, NOON, digest, event

HERE = Here("/events", {"range": "7d", "cursor": "abc"})


def line(found: Event, opened: str | None = None) -> Any:
    return Lines(Urls(), HERE, across=True, opened=opened).line(Fold(found, (found,)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tag": "1.4"}, "ci pushed shop/api:1.4"),
        ({"digest": digest("a")}, f"ci pushed shop/api@sha256:{'a' * 12}"),
        ({"digest": digest("a"), "media_type": BLOB}, "ci pushed a layer of shop/api"),
        (
            {"action": "mount", "media_type": BLOB, "from_repository": "base/os"},
            "ci mounted a layer of shop/api from base/os",
        ),
        ({"action": "pull", "method": "HEAD", "tag": "1"}, "ci asked for shop/api:1"),
        ({"action": "delete", "tag": "1"}, "ci deleted shop/api:1"),
        ({"action": "delete", "digest": digest("a")}, f"ci deleted shop/api@sha256:{'a' * 12}"),
        ({"action": "quota_warning", "actor": None}, "somebody reported quota_warning of shop/api"),
        ({"action": "push", "repository": None, "actor": None}, "somebody pushed something unnamed"),
    ],
)
def test_an_event_is_a_sentence(values: dict[str, Any], words: str) -> None:
    told = line(event(1, **values))

    assert f"{told.who} {told.verb} {told.what}{told.tail}" == words


def test_what_can_be_shown_has_an_address_and_what_is_gone_its_events() -> None:
    assert line(event(1, tag="1.4")).what_href == "/r/prod/shop/api:1.4"
    assert line(event(1, digest=digest("a"))).what_href == f"/r/prod/shop/api@{digest('a')}"
    assert line(event(1, media_type=BLOB, digest=digest("a"))).what_href == "/r/prod/shop/api"
    assert line(event(1, action="delete", tag="1")).what_href == "/r/prod/shop/api/-/events?tag=1"
    assert line(event(1, repository="No/Such NAME")).what_href is None
    assert line(event(1, tag='"><script>')).what_href is None
    assert line(event(1, registry=None, tag="1")).what_href is None


def test_links_of_a_line_keep_the_filter() -> None:
    told = line(event(7, tag="1"))

    assert told.who_href == "/events?range=7d&actor=ci"
    assert told.unfold == "/events?range=7d&cursor=abc&open=7#event-7"
    assert told.details == ()
    opened = line(event(7, tag="1"), opened="7")
    assert opened.open
    assert dict(opened.details[0].fields)["Event id"] == "event-7"


def test_marks_are_words() -> None:
    found = event(
        1, action="pull", method="HEAD", authenticated=False, own=True, registry=None, strange="the size is odd"
    )

    assert [mark.text for mark in marks(Fold(found, (found,)))] == [
        "strange",
        "KubeDash itself",
        "only asked",
        "not authenticated",
        "no known registry",
    ]
    plain = event(1, tag="1")
    assert marks(Fold(plain, (plain,))) == ()


def test_an_address_that_was_only_claimed_says_so() -> None:
    assert dict(fields(event(1, address="6.6.6.6", address_claimed=True)))["Address"] == "6.6.6.6 (claimed by a header)"


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 25), "Today, 25 November"),
        (date(2026, 11, 24), "Yesterday, 24 November"),
        (date(2026, 11, 23), "Monday, 23 November"),
        (date(2025, 1, 1), "Wednesday, 1 January 2025"),
    ],
)
def test_a_day_has_a_name(day: date, words: str) -> None:
    assert day_title(day, date(2026, 11, 25)) == words


def test_a_filter_is_read_from_its_address() -> None:
    read = filters_of({"action": "push", "actor": " ci ", "range": "24h", "unknown": "x"})
    where = read.to_query(NOON, "prod", "shop/api")

    assert where == EventFilter(
        registry="prod",
        repository="shop/api",
        actions=("push",),
        actor="ci",
        since=NOON - timedelta(days=1),
        quiet=True,
    )
    assert not filters_of({"own": "all"}).to_query(NOON).quiet
    assert read.as_query() == "?action=push&actor=ci&range=24h"
    assert [chosen.without for chosen in read.chosen(Here("/events", {"actor": "ci", "range": "24h"}))] == [
        "/events?actor=ci&range=24h",
        "/events?range=24h",
    ]


def test_a_day_is_meant_whole() -> None:
    where = Filters(since="2026-11-24", until="2026-11-25").to_query(NOON)

    assert (where.since, where.until) == (datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC))
    exact = Filters(until="2026-11-25T14:00:00+02:00").to_query(NOON)
    assert exact.until == NOON


@pytest.mark.parametrize("values", [{"since": "soon"}, {"until": "2026-13-01"}, {"range": "1y"}])
def test_a_time_that_is_none_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        Filters(**values).to_query(NOON)


def test_an_event_at_hand_is_filtered_as_the_store_does() -> None:
    found = event(1, tag="1.4", digest=digest("a"))

    assert matches(EventFilter(), found)
    assert matches(EventFilter(registry="prod", actions=("pull", "push"), tag="1.4", since=NOON), found)
    for other in (
        EventFilter(registry="-"),
        EventFilter(actions=("pull",)),
        EventFilter(tag="1.5"),
        EventFilter(actor="bob"),
        EventFilter(address="192.0.2.8"),
        EventFilter(since=NOON + timedelta(hours=1)),
        EventFilter(until=NOON),
    ):
        assert not matches(other, found)
    assert matches(EventFilter(registry="-"), event(1, registry=None))
    quiet = EventFilter(quiet=True)
    assert matches(quiet, found)
    assert matches(quiet, event(1, action="delete", own=True))
    assert not matches(quiet, event(1, action="pull", own=True))


def stats(*counts: EventCounts, step: int = 3600) -> EventStats:
    points = tuple(EventPoint(at=NOON + timedelta(seconds=step * n), counts=c) for n, c in enumerate(counts))
    return EventStats(
        since=NOON,
        until=NOON + timedelta(seconds=step * len(counts)),
        step=step,
        totals=EventCounts(push=2, pull=10, other=3),
        points=points,
        top_repositories=(),
        top_actors=(),
        by_hour=(0,) * 12 + (5,) * 12,
    )


def test_a_chart_stacks_and_says_its_numbers() -> None:
    chart = event_charts.series_chart(stats(EventCounts(push=2, pull=8), EventCounts(), EventCounts(delete=1)))

    assert chart.top == 10
    assert [name for name, _ in chart.series] == ["push", "pull", "delete"]
    assert [bar.title for bar in chart.bars] == [
        "25 Nov 12:00: 2 pushes, 8 pulls",
        "25 Nov 13:00: nothing",
        "25 Nov 14:00: 1 deletion",
    ]
    assert [(part.y, part.height) for part in chart.bars[0].parts] == [(80.0, 20.0), (0.0, 80.0)]
    assert chart.bars[1].parts == ()
    assert chart.ticks == ("25 Nov 12:00", "25 Nov 13:00", "25 Nov 14:00")


def test_no_bar_leaves_the_chart() -> None:
    chart = event_charts.series_chart(stats(EventCounts(push=1, pull=1_000_000, delete=1, mount=1), step=86400))

    for part in chart.bars[0].parts:
        assert 0 <= part.y <= 100
        assert part.y + part.height <= 101
    assert event_charts.hours_chart(()).bars == ()


def test_a_top_list_measures_by_its_largest() -> None:
    entries = (TopEntry(name="a", registry="prod", count=200), TopEntry(name="b", registry=None, count=1))
    found = event_charts.ranking(entries, lambda entry: f"/{entry.name}")

    assert [(row.percent, row.href) for row in found] == [(100, "/a"), (1, "/b")]
    assert event_charts.ranking((), lambda entry: None) == ()


async def pages(*found: tuple[Event, ...]) -> AsyncIterator[tuple[Event, ...]]:
    for page in found:
        yield page


def written(writer: Any, *found: tuple[Event, ...]) -> str:
    async def collect() -> bytes:
        return b"".join([part async for part in writer(pages(*found))])

    return asyncio.run(collect()).decode()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=cmd|' /C calc'!A0"])
def test_no_cell_is_run_as_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(written(csv_file, (event(1, actor=text),)), newline="")))

    assert rows[0] == list(COLUMNS)
    assert rows[1][COLUMNS.index("actor")][0] == "'"


def test_files_hold_every_page() -> None:
    found = ((event(3, actor='a "quoted", name'), event(2, size=None)), (event(1),))
    rows = list(csv.DictReader(io.StringIO(written(csv_file, *found), newline="")))

    assert [row["id"] for row in rows] == ["3", "2", "1"]
    assert rows[0]["actor"] == 'a "quoted", name'
    assert (rows[1]["size"], rows[1]["authenticated"], rows[1]["at"]) == ("", "true", "2026-11-25T12:00:02Z")
    assert [entry["id"] for entry in json.loads(written(json_file, *found))] == [3, 2, 1]
    assert json.loads(written(json_file)) == []
