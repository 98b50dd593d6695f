"""What strangers may post instead of events: kept, marked, bounded, or refused as no JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import InvalidInput
from kubedash.oci.notifications import MAX_EVENTS, MAX_RAW, Notification, Parsed, parse
from tests.support.notifications import DIGEST, HARBOR, HARBOR_CLOUD, PUSH, V1, ZOT, ZOT_HEADERS, changed


def posted(value: Any, content_type: str = V1, headers: dict[str, str] | None = None) -> Parsed:
    return parse(content_type, headers or {}, json.dumps(value).encode())


def test_json_of_no_known_format_is_kept_and_marked() -> None:
    (found,) = posted({"push_data": {"tag": "latest"}}).notifications
    assert found.strange == "it is in no format that is known"
    assert json.loads(found.raw) == {"push_data": {"tag": "latest"}}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"events": [', b"\xff\xfe", b"events=1"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse("application/json", {}, body)


def test_an_empty_envelope_holds_nothing() -> None:
    assert posted({"events": []}) == Parsed(())


@pytest.mark.parametrize("event", [PUSH, {}, changed(HARBOR, event_data={"resources": [{}] * 700})])
def test_no_more_events_are_read_than_a_post_may_hold(event: dict[str, Any]) -> None:
    found = posted([event] * (MAX_EVENTS + 5))
    assert len(found.notifications) == MAX_EVENTS
    assert found.left_out > 0


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"events":[' + b'{"a":' * 200_000,
        b'{"events":[{"id":"x","target":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"specversion":"1.0","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_deep_nesting_is_kept_as_it_came(body: bytes) -> None:
    (found,) = parse("application/json", {}, body).notifications
    assert found.strange is not None
    assert len(found.raw) == MAX_RAW


@pytest.mark.parametrize(
    "text", [b'"\xff\xfe"', b'"\\ud800"', b'"a\\u0000b"', b"1e999", b"NaN", b"9" * 6000, b'"<script>alert(1)</script>"']
)
def test_hostile_values_can_be_stored(text: bytes) -> None:
    body = b'{"events":[{"id":"1","action":"push","actor":{"name":' + text + b'},"target":{"repository":"a"}}]}'
    (found,) = parse("application/json", {}, body).notifications
    assert (found.action, found.repository) == ("push", "a")
    assert_storable(found)


def assert_storable(found: Notification) -> None:
    """Every text is short enough, without NUL, and UTF-8 can hold it."""
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode()
            assert len(value) <= MAX_RAW
    assert len(found.event_id) <= 255
    assert found.action


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = sorted({*PUSH, *PUSH["target"], *HARBOR, *HARBOR["event_data"], *HARBOR_CLOUD, *ZOT, "events"})
EVENTS = st.dictionaries(
    st.sampled_from(FIELDS), VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5), max_size=8
)
HEADERS = st.dictionaries(st.sampled_from(sorted(ZOT_HEADERS)), st.text(max_size=20), max_size=3)


@given(
    content_type=st.sampled_from([V1, "application/cloudevents+json", "application/cloudevents-batch+json", "x"]),
    headers=HEADERS,
    value=VALUES | EVENTS | st.lists(EVENTS, max_size=3) | st.fixed_dictionaries({"events": st.lists(EVENTS)}),
)
def test_any_json_gives_events_that_can_be_stored(content_type: str, headers: dict[str, str], value: Any) -> None:
    for found in posted(value, content_type, headers).notifications:
        assert_storable(found)


@given(headers=HEADERS, body=st.binary(max_size=200))
def test_any_bytes_are_events_or_refused(headers: dict[str, str], body: bytes) -> None:
    try:
        found = parse("application/json", headers, body)
    except InvalidInput:
        return
    for notification in found.notifications:
        assert_storable(notification)
