"""Figures of benchmarks are shown and written as they are."""

from __future__ import annotations

from pathlib import Path

from bench.figures import Figure, quantile, table, write


def test_a_table_says_what_holds() -> None:
    text = table(
        [Figure("a", "1 ms", "≤ 2 ms", holds=True), Figure("b", "3 ms", "≤ 2 ms", holds=False), Figure("c", "4")]
    )
    assert [line.split("|")[4].strip() for line in text.splitlines()[2:]] == ["holds", "missed", ""]


def test_quantiles() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert quantile(values, 0.5) == 51
    assert quantile(values, 0.95) == 96
    assert quantile([7.0], 0.95) == 7


def test_figures_go_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nb\n")
    write("new", page)
    assert page.read_text() == "a\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nb\n"
