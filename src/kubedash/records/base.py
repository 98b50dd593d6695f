"""What every record has in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value without behaviour."""


def encode_json(value: Any) -> bytes:
    """One JSON for API, command line and storage; text subclasses become text."""
    return msgspec.json.encode(value, enc_hook=str)


T = TypeVar("T")


class Page(Record, Generic[T], frozen=True, kw_only=True):
    """A page of a list. `next` and `previous` are opaque cursors."""

    items: tuple[T, ...]
    next: str | None = None
    previous: str | None = None
    as_of: datetime | None = None
    total: int | None = None
    """How many there are in all; None where counting would cost more than it tells."""
    first: int | None = None
    """The position of the first item, counted from 1, where it is known."""
