"""Pages of short lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import InvalidInput
from kubedash.policy.lists import Keys, ListQuery, page_of

KEYS: Keys[int | None] = {"value": lambda item: item}


def walk(items: list[int], limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        page = page_of(items, ListQuery(limit=limit, cursor=cursor), KEYS, str)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=7))
def test_every_item_is_met_once(items: list[int], limit: int) -> None:
    assert walk(items, limit) == items


def test_sorting_puts_the_unknown_last_both_ways() -> None:
    items: list[int | None] = [2, None, 3, 1]
    assert page_of(items, ListQuery(sort="value"), KEYS, str).items == (1, 2, 3, None)
    assert page_of(items, ListQuery(sort="-value"), KEYS, str).items == (3, 2, 1, None)


def test_a_filter_looks_into_the_text() -> None:
    page = page_of([10, 21, 32], ListQuery(q="2"), KEYS, str)
    assert page.items == (21, 32)
    assert page.total == 2


def test_another_sort_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as refused:
        page_of([1], ListQuery(sort="colour"), KEYS, str)
    assert "sort" in refused.value.fields


@pytest.mark.parametrize("cursor", ["", "x", "!!", "YXQ", "YXQgLTE", "YXQgeA", "é", "a" * 4000])
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        page_of([1], ListQuery(cursor=cursor), KEYS, str)
    assert "cursor" in refused.value.fields
