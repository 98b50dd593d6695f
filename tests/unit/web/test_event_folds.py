"""Which events are told in one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubedash.records import Event
from kubedash.web.formatting import short_digest
from kubedash.web.pages.event_folds import Fold, days, fold
from kubedash.web.pages.event_words import fields, marks, requests_note, sentence
from tests.support.event_records import BLOB, INDEX, digest, event, newest_first


def said(line: Fold) -> str:
    told = sentence(line)
    return f"{told.who} {told.verb} {told.what}{told.tail}"


def lines(*events: Event) -> list[str]:
    return [said(line) for line in fold(newest_first(*events))]


def test_a_docker_pull_of_an_index_is_one_line() -> None:
    pull = fold(
        newest_first(
            event(1, action="pull", method="HEAD", tag="1.4", digest=digest("a"), media_type=INDEX, counted=False),
            event(2, action="pull", method="GET", digest=digest("a"), media_type=INDEX, pulled_as="1.4"),
            event(3, action="pull", method="GET", digest=digest("b"), counted=False),
            event(4, action="pull", method="GET", digest=digest("c"), media_type=BLOB, counted=False),
        )
    )

    assert [said(line) for line in pull] == ["ci pulled shop/api:1.4"]
    assert requests_note(pull[0]) == "1 pull, 4 requests, 1 of them HEAD"
    assert [found.id for found in pull[0].events] == [4, 3, 2, 1]
    assert marks(pull[0]) == ()
    assert [dict(fields(found)).get("Counts as") for found in pull[0].events] == [
        None,
        "part of a pull",
        "a pull of the tag 1.4",
        None,
    ]


def test_what_is_only_part_of_a_pull_says_so_where_it_stands_alone() -> None:
    (part,) = fold(newest_first(event(1, action="pull", method="GET", digest=digest("b"), counted=False)))
    assert said(part) == f"ci pulled shop/api@{short_digest(digest('b'))}"
    assert [mark.text for mark in marks(part)] == ["part of a pull"]
    layer = event(1, action="pull", method="GET", digest=digest("b"), media_type=BLOB, counted=False)
    own = event(2, action="pull", method="GET", digest=digest("b"), counted=False, own=True)
    for other in (layer, own):
        (line,) = fold((other,))
        assert "part of a pull" not in [mark.text for mark in marks(line)]


def test_a_tag_that_was_only_asked_for_is_not_said_to_be_pulled() -> None:
    found = lines(
        event(1, action="pull", method="HEAD", tag="1", digest=digest("a")),
        event(2, action="pull", method="GET", digest=digest("a")),
        event(3, action="pull", method="GET", tag="2", digest=digest("b")),
        event(4, action="pull", method="HEAD", tag="latest", digest=digest("c")),
    )

    assert found == ["ci pulled shop/api:2, 1, and asked for latest"]
    asked = lines(*(event(n, action="pull", method="HEAD", tag=f"1.{n}") for n in range(2)))
    assert asked == ["ci asked for shop/api:1.1, 1.0"]


def test_pulls_of_others_elsewhere_or_much_later_stand_alone() -> None:
    found = lines(
        event(1, action="pull", tag="1", method="GET"),
        event(2, action="pull", tag="1", method="GET", address="192.0.2.8"),
        event(3, action="pull", tag="1", method="GET", repository="shop/web"),
        event(4, action="pull", tag="1", method="GET", actor=None),
        event(5, action="pull", tag="1", method="GET", seconds=700),
        event(6, action="pull", tag="1", method="GET", authenticated=False, seconds=701),
    )

    assert len(found) == 6


def test_interleaved_pulls_of_two_clients_are_two_lines() -> None:
    found = lines(*(event(n, action="pull", method="GET", tag="1", address=f"192.0.2.{n % 2}") for n in range(8)))

    assert found == ["ci pulled shop/api:1", "ci pulled shop/api:1"]


def test_no_line_of_pulls_reaches_across_a_push_of_the_repository() -> None:
    found = lines(
        event(1, action="pull", method="GET", tag="1"),
        event(2, tag="1"),
        event(3, action="pull", method="GET", tag="1"),
    )

    assert found == ["ci pulled shop/api:1", "ci pushed shop/api:1", "ci pulled shop/api:1"]


def test_what_is_pushed_before_a_tag_belongs_to_it() -> None:
    found = lines(
        event(1, media_type=BLOB, digest=digest("1")),
        event(2, action="mount", media_type=BLOB, digest=digest("2"), from_repository="base/os"),
        event(3, media_type=BLOB, digest=digest("3")),
        event(4, digest=digest("a")),
        event(5, digest=digest("b")),
        event(6, digest=digest("c"), tag="1.4", media_type=INDEX),
    )

    assert found == ["ci pushed shop/api:1.4, with 2 manifests and 3 layers and configs, 1 of them mounted"]


def test_two_pushed_tags_are_two_lines() -> None:
    found = lines(event(1, tag="1.4", digest=digest("a")), event(2, tag="latest", digest=digest("a")))

    assert found == ["ci pushed shop/api:latest", "ci pushed shop/api:1.4"]


def test_a_deleted_digest_and_its_tags_are_one_line() -> None:
    found = lines(
        event(1, action="delete", digest=digest("a"), media_type=None),
        event(2, action="delete", tag="1.4", media_type=None),
        event(3, action="delete", tag="latest", media_type=None),
    )

    assert found == [f"ci deleted shop/api:latest, 1.4, and with it sha256:{'a' * 12}"]


def test_strange_events_stand_alone() -> None:
    found = lines(
        event(1, action="unknown", strange="there is no action", repository=None),
        event(2, action="unknown", strange="there is no action", repository=None),
    )

    assert found == ["ci sent an event that cannot be read: there is no action"] * 2


def test_a_day_begins_at_midnight_utc() -> None:
    found = days(newest_first(event(1, tag="1", seconds=12 * 3600 - 1), event(2, tag="2", seconds=12 * 3600)))

    assert [(day.day.isoformat(), len(day.folds)) for day in found] == [("2026-11-26", 1), ("2026-11-25", 1)]


@st.composite
def any_events(draw: st.DrawFn) -> tuple[Event, ...]:
    return newest_first(
        *(
            event(
                number,
                action=draw(st.sampled_from(("push", "pull", "delete", "mount", "quota", "unknown"))),
                repository=draw(st.sampled_from(("a", "b", None))),
                tag=draw(st.sampled_from(("1", "2", None))),
                digest=draw(st.sampled_from((digest("a"), None))),
                media_type=draw(st.sampled_from((BLOB, INDEX, None))),
                method=draw(st.sampled_from(("GET", "HEAD", None))),
                actor=draw(st.sampled_from(("ci", None))),
                strange=draw(st.sampled_from((None, None, "odd"))),
                seconds=draw(st.integers(0, 100_000)),
            )
            for number in range(draw(st.integers(0, 25)))
        )
    )


@given(any_events())
def test_every_event_is_in_exactly_one_line(events: tuple[Event, ...]) -> None:
    told = [found.id for day in days(events) for line in day.folds for found in line.events]

    assert sorted(told) == sorted(found.id for found in events)
    for day in days(events):
        for line in day.folds:
            assert line.head in line.events
            assert said(line).strip()
