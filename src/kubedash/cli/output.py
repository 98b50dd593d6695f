"""What the command line prints: JSON as the API answers it, a table on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubedash.errors import KubedashError
from kubedash.records import encode_json

UNKNOWN: Final = "-"
_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_STEP: Final = 1000
Cell = str | int | datetime | None


class Bytes(int):
    """A size: a terminal shows it as people read it, a line for scripts exactly."""

    @classmethod
    def of(cls, count: int | None) -> Bytes | None:
        return None if count is None else cls(count)


def print_json(record: Any) -> None:
    """One line, exactly what the API answers."""
    sys.stdout.write(encode_json(record).decode() + "\n")


def print_line(text: str) -> None:
    """A line for people or scripts."""
    sys.stdout.write(f"{visible(text)}\n")
    sys.stdout.flush()


def print_note(text: str) -> None:
    """Beside the answer: not part of what a script reads."""
    sys.stderr.write(f"{visible(text)}\n")
    sys.stderr.flush()


def print_table(titles: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """A table with titles on a terminal; otherwise one line a row, parted by tabs, exact values."""
    if not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write("\t".join(shown(cell) for cell in row) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(size(cell) if isinstance(cell, Bytes) else shown(cell)) for cell in row))
    Console().print(table)


def print_facts(facts: Iterable[tuple[str, Cell]]) -> None:
    """`name: value`, one a line; what is not known is left out."""
    for name, value in facts:
        if value not in (None, ""):
            print_line(f"{name}: {shown(value)}")


def print_refusal(error: KubedashError) -> None:
    """The reason on stderr: what went wrong, field by field, what was asked and answered, what to try."""
    print_note(f"kubedash: {error.message}")
    for field, problem in getattr(error, "fields", {}).items():
        if problem != error.message:
            print_note(f"  {field}: {problem}")
    for title, text in (("asked", error.asked), ("answered", error.answered), ("try", error.hint)):
        if text:
            print_note(f"  {title}: {text}")


def visible(text: str) -> str:
    """Text from a registry may hold control characters that would steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return UNKNOWN
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def shown(cell: Cell) -> str:
    """A value as it stands in a line: nothing is `-`, times are in UTC."""
    if cell is None:
        return UNKNOWN
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return visible(str(cell))
