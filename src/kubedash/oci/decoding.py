"""Reading JSON that strangers wrote: typed first, field by field where that fails.

Manifests and configs are decoded straight into structs, which is fast and accepts
what the specifications allow. Only what fails that is read again leniently: a field
of the wrong type counts as missing and is noted, and the rest of the document stays.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Sized
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from kubedash.errors import InvalidInput

S = TypeVar("S", bound=msgspec.Struct)

MAX_NOTES: Final = 5
MAX_ENTRIES: Final = 20_000
"""More entries of a list or object are not mended one by one."""
MAX_SIZE: Final = 2**45
"""32 TiB: more than any store keeps in one blob, so that sums of sizes stay below 2**63."""
_MAX_DIGITS: Final = 30
_MAX_TIME_LENGTH: Final = 64
_EPOCH_YEAR: Final = 1970
_ZIP_YEAR: Final = 1980


class TooDeep(InvalidInput):
    """JSON that is nested more deeply than anybody writes it."""


class Notes:
    """What was wrong with a document, a few sentences at most."""

    __slots__ = ("_more", "_sentences")

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._more = 0

    def copy(self) -> Notes:
        """The same notes, to go on with apart."""
        other = Notes()
        other._sentences, other._more = list(self._sentences), self._more
        return other

    def add(self, sentence: str) -> None:
        if sentence in self._sentences:
            return
        if len(self._sentences) < MAX_NOTES:
            self._sentences.append(sentence)
        else:
            self._more += 1

    def text(self) -> str | None:
        """All notes in one line; None where there are none."""
        if not self._sentences:
            return None
        more = f"; and {self._more} more" if self._more else ""
        return "; ".join(self._sentences) + more


def decode(raw: bytes, kind: type[S], notes: Notes) -> S:
    """The JSON object `raw` as `kind`, a struct whose fields all have defaults.

    Raises `InvalidInput` where it is no JSON object; wrong fields are noted and left out.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError):
        pass
    value = decode_any(raw)
    if not isinstance(value, dict):
        raise InvalidInput(f"a JSON object was expected, not {_name_of(value)}")
    return _struct(value, kind, "", notes)


def decode_any(raw: bytes) -> Any:
    """Any JSON, tolerating a byte order mark, broken UTF-8 and numbers of any length.

    Raises `InvalidInput`; `TooDeep` where the nesting is.
    """
    text = raw.decode("utf-8-sig", "replace")
    try:
        return _loads(text)
    except ValueError as error:
        raise InvalidInput(f"not JSON: {error}") from error
    except RecursionError as error:
        raise TooDeep("the JSON is nested too deeply") from error


def mend(value: dict[str, Any], kind: type[S], notes: Notes) -> S:
    """An object that was read already as `kind`, likewise: wrong fields are noted and left out."""
    return _struct(value, kind, "", notes)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # A number longer than Python converts. Asking about each is slow, so only then.
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _struct(value: dict[str, Any], kind: type[S], path: str, notes: Notes) -> S:
    found = {}
    for name, key, hint in _fields(kind):
        if value.get(key) is not None:
            found[name] = _value(value[key], hint, f"{path}{key}", notes)
    return kind(**found)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    return tuple((field.name, field.encode_name, field.type) for field in msgspec.structs.fields(kind))


def _value(value: Any, hint: Any, path: str, notes: Notes) -> Any:
    """`value` as one of the alternatives of `hint`, or None with a note."""
    for choice in _alternatives(hint):
        origin = typing.get_origin(choice) or choice
        if origin is Any:
            return value
        if origin is str and isinstance(value, str | int | float):
            return _text(value)
        if origin is dict and isinstance(value, dict):
            return _mapping(value, typing.get_args(choice)[1], path, notes)
        if origin is list and isinstance(value, list):
            return _sequence(value, typing.get_args(choice)[0], path, notes)
        if isinstance(value, dict) and issubclass(origin, msgspec.Struct):
            return _struct(value, origin, f"{path}.", notes)
        if isinstance(value, origin) and (origin is bool or not isinstance(value, bool)):
            return value
    notes.add(f"{path} is {_name_of(value)}")
    return None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, types.UnionType):
        return tuple(choice for choice in typing.get_args(hint) if choice is not types.NoneType)
    return (hint,)


def _mapping(value: dict[str, Any], hint: Any, path: str, notes: Notes) -> dict[str, Any]:
    items = islice(value.items(), _allowed(value, path, notes))
    found = {_text(key): _value(item, hint, f"{path} entry", notes) for key, item in items if item is not None}
    return {key: item for key, item in found.items() if item is not None}


def _sequence(value: list[Any], hint: Any, path: str, notes: Notes) -> list[Any]:
    """Entries that are structs keep their place, empty where unreadable; others are left out."""
    items = enumerate(value[: _allowed(value, path, notes)])
    found = [_value(item, hint, f"{path}[{position}]", notes) for position, item in items]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint() if item is None else item for item in found]
    return [item for item in found if item is not None]


def _allowed(value: Sized, path: str, notes: Notes) -> int:
    if len(value) > MAX_ENTRIES:
        notes.add(f"{path} has {len(value):,} entries")
    return MAX_ENTRIES


def _text(value: str | float) -> str:
    """Text as UTF-8 can hold it; numbers and truth values as JSON writes them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return json.dumps(value)


def _name_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time in UTC, cut to microseconds; None where it says nothing.

    Builders write the year 1, the Unix epoch or the first day of the ZIP format for
    "not recorded". A time without an offset is taken as UTC.
    """
    if not text or len(text) > _MAX_TIME_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    if moment.year <= _EPOCH_YEAR or (moment.year == _ZIP_YEAR and moment.timetuple().tm_yday == 1):
        return None
    return moment


def storable(text: str, limit: int) -> str:
    """Text that every database takes: without NUL, at most `limit` characters."""
    if len(text) <= limit and "\x00" not in text:
        return text
    return text[:limit].replace("\x00", "\N{REPLACEMENT CHARACTER}")
