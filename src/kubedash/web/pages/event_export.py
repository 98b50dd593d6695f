"""Events as files: CSV for spreadsheets, JSON for programs. Pure but for the walk through the pages."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Final

from kubedash.records import Event, encode_json
from kubedash.web.formatting import visible

COLUMNS: Final = (
    "at",
    "occurred_at",
    "received_at",
    "registry",
    "action",
    "repository",
    "tag",
    "digest",
    "media_type",
    "size",
    "actor",
    "address",
    "address_claimed",
    "user_agent",
    "method",
    "from_repository",
    "instance",
    "host",
    "sender",
    "format",
    "authenticated",
    "own",
    "counted",
    "pulled_as",
    "strange",
    "event_id",
    "id",
)
"""Of the CSV file, by the API's names."""
_FORMULA: Final = frozenset("=+-@\t\r")
"""What a spreadsheet takes for the beginning of a formula."""


def csv_lines(events: Iterable[Event], *, heading: bool) -> bytes:
    """UTF-8 with CRLF, as RFC 4180 has it; no cell can be run as a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if heading:
        writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(event, name)) for name in COLUMNS] for event in events)
    return buffer.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    """Text that would begin a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int):
        return str(value)
    text = visible(str(value))
    return f"'{text}" if text.lstrip(" \n")[:1] in _FORMULA else text


async def csv_file(pages: AsyncIterator[tuple[Event, ...]]) -> AsyncIterator[bytes]:
    """One table, a page at a time."""
    yield csv_lines((), heading=True)
    async for events in pages:
        yield csv_lines(events, heading=False)


async def json_file(pages: AsyncIterator[tuple[Event, ...]]) -> AsyncIterator[bytes]:
    """One array of the API's records, one a line, a page at a time."""
    before = b"[\n"
    async for events in pages:
        for event in events:
            yield before + encode_json(event)
            before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"
