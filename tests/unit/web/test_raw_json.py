"""A document as pieces of text: nothing added, nothing lost, some of it links."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kubedash.web.pages.raw_json import link_pieces

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def shown(raw: bytes, links: dict[str, str] | None = None) -> str:
    return "".join(piece.text for piece in link_pieces(raw, links or {}).pieces)


@given(JSON)
def test_an_indented_document_is_shown_as_it_was_written(value: object) -> None:
    text = "\n" + json.dumps(value, indent=3, ensure_ascii=False) + "\n1"
    assert shown(text.encode()) == text


@given(JSON)
def test_a_document_in_one_line_keeps_its_meaning(value: object) -> None:
    raw = json.dumps(value).encode()
    assert json.loads(shown(raw)) == value


@given(st.binary())
def test_anything_can_be_shown(raw: bytes) -> None:
    shown(raw)


def test_only_whole_values_become_links() -> None:
    raw = b'{\n"digest": "sha256:aa",\n"sha256:aa": "x sha256:aa y"\n}'
    linked = [piece for piece in link_pieces(raw, {"sha256:aa": "/there"}).pieces if piece.href]
    assert [(piece.text, piece.href) for piece in linked] == [("sha256:aa", "/there")]


def test_known_media_types_lead_to_their_specification() -> None:
    raw = b'{"mediaType":"application/vnd.oci.image.index.v1+json"}'
    (link,) = [piece for piece in link_pieces(raw, {}).pieces if piece.href]
    assert link.outside
    assert (link.href or "").startswith("https://github.com/opencontainers/")


def test_a_document_in_one_line_says_that_it_was_broken_up() -> None:
    assert link_pieces(b'{"a":[1,2],"b":{}}', {}).indented
    assert shown(b'{"a":[1,2],"b":{}}') == '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}'
