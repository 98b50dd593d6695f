"""A JSON document as text in pieces: exactly as it was written, with some strings as links.

The text is never decoded and written again, because that would lose what makes it this
document: the order of keys, numbers, escapes. A document without line breaks is broken
into lines for reading, outside of its strings only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|\s+|[^\s{}\[\],:"]+|"', re.DOTALL)
_INDENT: Final = "  "
_MAX_DEPTH: Final = 40
SPECIFICATIONS: Final = {
    "application/vnd.oci.image.index.v1+json": "image-spec/blob/main/image-index.md",
    "application/vnd.oci.image.manifest.v1+json": "image-spec/blob/main/manifest.md",
    "application/vnd.oci.image.config.v1+json": "image-spec/blob/main/config.md",
    "application/vnd.oci.empty.v1+json": "image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor",
    "application/vnd.oci.image.layer.v1.tar": "image-spec/blob/main/layer.md",
    "application/vnd.oci.image.layer.v1.tar+gzip": "image-spec/blob/main/layer.md",
    "application/vnd.oci.image.layer.v1.tar+zstd": "image-spec/blob/main/layer.md",
}
_SPECIFICATIONS_AT: Final = "https://github.com/opencontainers/"


class Piece(msgspec.Struct, frozen=True):
    """A stretch of the document."""

    text: str
    """As it was written."""
    kind: str
    """`text`, `key`, `string` or `number`."""
    href: str | None = None
    """Where it leads, if anywhere."""
    outside: bool = False
    """It leads away from this server."""


class Document(msgspec.Struct, frozen=True):
    pieces: tuple[Piece, ...]
    indented: bool
    """Line breaks are ours."""


def link_pieces(raw: bytes, links: Mapping[str, str]) -> Document:
    """The document with every string of `links`, and every known media type, as a link."""
    text = raw.decode("utf-8", errors="replace")
    words: Iterable[str] = _TOKEN.findall(text)
    one_line = "\n" not in text.strip()
    if one_line:
        words = _broken_into_lines(words)
    return Document(tuple(_merged(_pieces(list(words), links))), one_line)


def _pieces(words: list[str], links: Mapping[str, str]) -> Iterator[Piece]:
    for position, word in enumerate(words):
        if word.startswith('"') and len(word) > 1:
            yield from _string(word, _is_key(words, position), links)
        elif word[0].isdigit() or word[0] == "-":
            yield Piece(word, "number")
        else:
            yield Piece(word, "text")


def _string(word: str, is_key: bool, links: Mapping[str, str]) -> Iterator[Piece]:
    if is_key:
        yield Piece(word, "key")
        return
    value = word[1:-1]
    if value in links:
        yield from (Piece('"', "string"), Piece(value, "string", links[value]), Piece('"', "string"))
    elif value in SPECIFICATIONS:
        href = _SPECIFICATIONS_AT + SPECIFICATIONS[value]
        yield from (Piece('"', "string"), Piece(value, "string", href, outside=True), Piece('"', "string"))
    else:
        yield Piece(word, "string")


def _is_key(words: list[str], position: int) -> bool:
    for word in words[position + 1 : position + 3]:
        if not word.isspace():
            return word.strip() == ":"
    return False


def _broken_into_lines(words: Iterable[str]) -> Iterator[str]:
    depth = 0
    fresh = False
    for word in words:
        if word.isspace():
            continue
        if word in ("}", "]"):
            depth = max(0, depth - 1)
            if not fresh:
                yield "\n" + _INDENT * min(depth, _MAX_DEPTH)
        elif fresh:
            yield "\n" + _INDENT * min(depth, _MAX_DEPTH)
        yield f"{word} " if word == ":" else word
        fresh = word in ("{", "[")
        if fresh:
            depth += 1
        elif word == ",":
            fresh = True


def _merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind in one piece: a long document has few pieces then."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None and piece.href is None and held.href is None and piece.kind == held.kind:
            held = Piece(held.text + piece.text, held.kind)
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held
