"""The template lint sees what it should, and nothing else."""

from __future__ import annotations

import pytest

from scripts.templates import lint

PAGE = "{% extends 'base.html' %}{% block title %}T{% endblock %}"


def _found(source: str, name: str = "page.html") -> list[str]:
    return list(lint(name, source))


def test_a_plain_page_is_fine() -> None:
    assert _found(PAGE + "{% from 'c.html' import dot as mark %}{{ mark(1) }}<p class='on-line'>one=1</p>") == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<p style='color: red'>", "a style attribute"),
        ("<style>p {}</style>", "an inline <style>"),
        ("<script>1</script>", "an inline <script>"),
        ("<button onclick='x()'>", "an on… attribute"),
        ("<a href='javascript:x()'>", "a javascript: address"),
        ("{{ text|safe }}", "switches escaping off"),
        ("{% autoescape false %}{% endautoescape %}", "autoescape"),
        ("{% do thing() %}", "the tag do is outside the shared subset"),
        ("{% from 'c.html' import one, two %}{{ two() }}", "imports one without using it"),
        ("{% import 'c.html' as c %}", "imports c without using it"),
        ("{% if %}", "syntax"),
    ],
)
def test_what_is_found(source: str, reason: str) -> None:
    assert any(reason in finding for finding in _found(PAGE + source)), _found(PAGE + source)


def test_places_are_lines() -> None:
    assert _found(PAGE + "\n\n<p style='a'>") == ["page.html:3: a style attribute"]


def test_expressions_inside_attributes_are_no_handlers() -> None:
    assert _found(PAGE + "<a title=\"{{ x if once == 1 else style }}\" href='{{ u }}'>") == []


def test_a_script_with_a_source_is_fine() -> None:
    assert _found(PAGE + "<script type='module' src='{{ asset }}'></script>") == []


def test_a_page_needs_a_title_and_a_fragment_does_not() -> None:
    assert _found("{% extends 'base.html' %}") == ["page.html:1: a page without a title block"]
    assert _found("<tr></tr>", "tags/_rows.html") == []
    assert _found("{% extends 'images/_layout.html' %}", "images/info.html") == []


def test_comments_are_not_read() -> None:
    assert _found(PAGE + "{# <p style='x'> {{ x|safe }} #}") == []
