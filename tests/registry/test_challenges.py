"""WWW-Authenticate in all its spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.registry.challenges import MAX_CHALLENGES, parse_challenges


def read(*headers: str) -> list[tuple[str, dict[str, str]]]:
    return [(challenge.scheme, challenge.parameters) for challenge in parse_challenges(headers)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://a/t",service="S",scope="repository:x:pull,push repository:y:pull"'],
            [("bearer", {"realm": "https://a/t", "service": "S", "scope": "repository:x:pull,push repository:y:pull"})],
        ),
        (["bEaReR ReAlM = https://a/t , SERVICE=S"], [("bearer", {"realm": "https://a/t", "service": "S"})]),
        (['Bearer realm="t"', "Basic"], [("bearer", {"realm": "t"}), ("basic", {})]),
        (['Bearer realm="t", Basic'], [("bearer", {"realm": "t"}), ("basic", {})]),
        (['Basic, Bearer realm="t"'], [("basic", {}), ("bearer", {"realm": "t"})]),
        (['Negotiate YII/a+b==, Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        ([r'Basic realm="a \"quoted\", comma"'], [("basic", {"realm": 'a "quoted", comma'})]),
        (['Bearer realm="first",realm="second"'], [("bearer", {"realm": "first"})]),
        (['Bearer realm="",scope='], [("bearer", {"realm": "", "scope": ""})]),
        (["", " , ,", '="x"', '"alone"'], []),
    ],
)
def test_spellings(headers: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert read(*headers) == expected


def test_there_is_an_end_to_it() -> None:
    assert len(parse_challenges(["Basic, " * 1000])) == MAX_CHALLENGES


def test_an_open_quote_swallows_the_rest() -> None:
    """Each of these would take most of a second if every character began anew."""
    assert read('Basic realm="x", "Bearer') == [("basic", {"realm": "x"})]
    assert parse_challenges(['"\\' * 4096] * 1000) == ()


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_text_is_survived(headers: list[str]) -> None:
    parse_challenges(headers)


@given(st.text(alphabet='Bb=," \\tx', max_size=300))
def test_any_punctuation_is_survived(header: str) -> None:
    parse_challenges([header])


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_quoted_values_come_back(parameters: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    header = "Bearer " + ",".join(f"{name}={quoted(value)}" for name, value in parameters.items())
    assert read(header) == [("bearer", parameters)]
