"""Size budgets: what keeps every file readable in one go.

Lengths of functions leave out docstrings. The spread (median, p95) is taken over the
product's own functions; the hard stops hold for tools and benchmarks too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from scripts.findings import report, shown, tracked

FILE_LINES: Final = 400
FUNCTION_LINES: Final = 60
FUNCTION_MEDIAN: Final = 8
FUNCTION_P95: Final = 35
PARAMETERS: Final = 6
DOOR_PARAMETERS: Final = 10
"""Of handlers and verbs: nobody calls them, and their parameters are the names in an address."""
_DOORS: Final = frozenset({"get", "post", "put", "patch", "delete", "route", "command", "default"})
TEMPLATE_LINES: Final = 60
SCRIPT_LINES: Final = 120
OWN_PACKAGES: Final = ("kubedash", "demo", "bench", "scripts", "tests")
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Measured(NamedTuple):
    """A function and its size."""

    path: Path
    name: str
    line: int
    lines: int
    parameters: int
    door: bool = False
    """A route's handler or a verb of the command line."""


def measure(path: Path, tree: ast.Module) -> Iterator[Measured]:
    """Every function of a module, nested ones as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Measured(path, node.name, node.lineno, _length(node), _parameters(node), _is_door(node))


def _length(function: _Function) -> int:
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def _parameters(function: _Function) -> int:
    given = function.args
    named = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    if named and named[0] in ("self", "cls"):
        named = named[1:]
    return len(named)


def _is_door(function: _Function) -> bool:
    called = [mark.func if isinstance(mark, ast.Call) else mark for mark in function.decorator_list]
    names = {mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in called}
    return not _DOORS.isdisjoint(names)


def hidden_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Imports of our own code inside functions: they hide cycles."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            for name in _imported(node):
                if name.split(".")[0] in OWN_PACKAGES:
                    yield f"{shown(path)}:{getattr(node, 'lineno', 0)}: {function.name} imports {name} inside"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [OWN_PACKAGES[0]] if node.level else [node.module or ""]
    return []


def over_budget(function: Measured) -> Iterator[str]:
    place = f"{shown(function.path)}:{function.line}: {function.name}"
    if function.lines > FUNCTION_LINES:
        yield f"{place} has {function.lines} lines, most {FUNCTION_LINES}"
    most = DOOR_PARAMETERS if function.door else PARAMETERS
    if function.parameters > most:
        yield f"{place} takes {function.parameters} parameters, most {most}"


def too_long(path: Path, most: int) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > most:
        yield f"{shown(path)}:{most + 1}: {lines} lines, most {most}"


def percentile(values: list[int], share: float) -> int:
    """The smallest value that at least `share` of them do not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _spread(lengths: list[int]) -> Iterator[str]:
    for share, most in ((0.5, FUNCTION_MEDIAN), (0.95, FUNCTION_P95)):
        seen = percentile(lengths, share)
        if seen > most:
            yield f"src:1: the {share:.0%} function has {seen} lines, most {most}"


def _table(file_lengths: list[int], lengths: list[int]) -> None:
    median, tail = percentile(lengths, 0.5), percentile(lengths, 0.95)
    print(f"files      {len(file_lengths):5}   longest {max(file_lengths, default=0):4}   most {FILE_LINES}")
    print(f"functions  {len(lengths):5}   longest {max(lengths, default=0):4}   most {FUNCTION_LINES}", end="")
    print(f"   median {median} (≤ {FUNCTION_MEDIAN})   p95 {tail} (≤ {FUNCTION_P95})")


def check() -> int:
    """Prints the table; the exit code says whether all budgets hold."""
    findings: list[str] = []
    product: list[Measured] = []
    modules = tracked("src/*.py", "demo/*.py", "scripts/*.py", "bench/*.py", "hatch_build.py")
    for path in modules:
        tree = ast.parse(path.read_text(), str(path))
        functions = list(measure(path, tree))
        findings += [finding for function in functions for finding in over_budget(function)]
        findings += hidden_imports(path, tree)
        product += functions if "src" in path.parts else []
    for pattern, most in (("*.py", FILE_LINES), ("src/*.html", TEMPLATE_LINES), ("src/*.js", SCRIPT_LINES)):
        findings += [finding for path in tracked(pattern) for finding in too_long(path, most)]
    lengths = [function.lines for function in product]
    findings += _spread(lengths)
    _table([len(path.read_text().splitlines()) for path in modules], lengths)
    return report("budgets", findings, "all within")


if __name__ == "__main__":
    sys.exit(check())
