"""What a benchmark hands back, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = Path(__file__).resolve().parent.parent / "docs/explanation/performance.md"
_BEGIN: Final = "<!-- bench: begin -->"
_END: Final = "<!-- bench: end -->"


class Figure(NamedTuple):
    """One measured thing; `holds` is None where there is no goal."""

    what: str
    measured: str
    goal: str = ""
    holds: bool | None = None


def quantile(values: Iterable[float], share: float) -> float:
    """The value that `share` of them do not exceed. Raises `IndexError` of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = ["| what | measured | goal | |", "| --- | --- | --- | --- |"]
    marks = {True: "holds", False: "missed", None: ""}
    rows += [f"| {figure.what} | {figure.measured} | {figure.goal} | {marks[figure.holds]} |" for figure in figures]
    return "\n".join(rows)


def write(text: str, page: Path = PAGE) -> None:
    """Puts it between the marks of docs/explanation/performance.md."""
    head, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{head}{_BEGIN}\n{text}\n{_END}{rest.partition(_END)[2]}")
