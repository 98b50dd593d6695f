"""How registries say no, read into one shape (distribution-spec, "Error Codes").

The usual form is `{"errors": [{"code", "message", "detail"}]}`, but zot sends the inner
object bare, proxies send HTML, and HEAD has no body at all. The text is the registry's:
it is cut, and control characters are taken out, before anybody sees it.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

MAX_TEXT: Final = 200
_TITLE: Final = re.compile(r"<title[^>]*>(.{0,500}?)</title", re.IGNORECASE | re.DOTALL)
_TAGS: Final = re.compile(r"<(?:script|style)\b.*?</(?:script|style)\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML: Final = re.compile(rb"\s*(?:<!doctype html|<html|<head|<body)", re.IGNORECASE)
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")
_EXAMINED: Final = 8192


class Complaint(msgspec.Struct, frozen=True):
    """An answer that is no success."""

    status: int
    code: str | None = None
    """`MANIFEST_UNKNOWN` and the like, in capitals."""
    message: str | None = None
    html: bool = False

    @property
    def sentence(self) -> str:
        """`404 MANIFEST_UNKNOWN: manifest unknown`, or as much of it as there is."""
        head = f"{self.status} {self.code or _phrase(self.status)}".strip()
        page = "an HTML page: " if self.html else ""
        return f"{head}: {page}{self.message}" if self.message else head


def read_complaint(status: int, body: bytes) -> Complaint:
    """Never raises, whatever the body is."""
    if not body:
        return Complaint(status)
    if is_html(body):
        text = body[:_EXAMINED].decode("utf-8", "replace")
        title = _TITLE.search(text)
        return Complaint(status, message=plain(title.group(1) if title else _TAGS.sub(" ", text)), html=True)
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return Complaint(status, message=plain(body[:_EXAMINED].decode("utf-8", "replace")))
    found = _innermost(document)
    code, message = found.get("code"), found.get("message")
    return Complaint(
        status,
        code=plain(code).upper() if isinstance(code, str) else None,
        message=plain(message) if isinstance(message, str) else None,
    )


def is_html(body: bytes) -> bool:
    """Whether it begins as HTML does."""
    return _HTML.match(body[:_EXAMINED]) is not None


def plain(text: str) -> str:
    """One line of at most `MAX_TEXT` characters without control characters."""
    line = _SPACE.sub(" ", text[:_EXAMINED]).strip()
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def _innermost(document: Any) -> dict[str, Any]:
    """The first error object; OAuth's `error` and `error_description` count as one."""
    if not isinstance(document, dict):
        return {}
    errors = document.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return errors[0]
    if "error" in document and "code" not in document:
        message = document.get("error_description") or document.get("details") or document.get("message")
        return {"code": document["error"], "message": message}
    return document


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
