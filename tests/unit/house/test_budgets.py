"""The budgets see what they should."""

from __future__ import annotations

import ast
from pathlib import Path

from scripts.budgets import hidden_imports, measure, over_budget, percentile, too_long

HERE = Path(__file__)


def _measured(source: str) -> list[tuple[str, int, int]]:
    return [(found.name, found.lines, found.parameters) for found in measure(HERE, ast.parse(source))]


def test_docstrings_do_not_count() -> None:
    source = 'def f(a, b):\n    """One.\n\n    Two.\n    """\n    return a\n'
    assert _measured(source) == [("f", 2, 2)]


def test_self_is_no_parameter_and_keyword_ones_are() -> None:
    source = "class A:\n    def f(self, a, *, b=1, **more):\n        return a\n"
    assert _measured(source) == [("f", 2, 2)]


def test_a_long_function_is_named_with_its_place() -> None:
    body = "\n".join(f"    a{number} = {number}" for number in range(60))
    (found,) = over_budget(next(iter(measure(HERE, ast.parse(f"def long():\n{body}\n")))))
    assert found.endswith("test_budgets.py:1: long has 61 lines, most 60")


def test_a_seventh_parameter_is_too_many() -> None:
    (found,) = over_budget(next(iter(measure(HERE, ast.parse("async def f(a, b, c, d, e, f, g): ...\n")))))
    assert "7 parameters" in found


def test_a_handler_takes_what_its_address_names() -> None:
    source = (
        "@app.command\ndef verb(a, b, c, d, e, f, g): ...\n@get('/', name='x')\nasync def g(a, b, c, d, e, f, g): ...\n"
    )
    assert [list(over_budget(found)) for found in measure(HERE, ast.parse(source))] == [[], []]


def test_own_imports_inside_functions_are_found() -> None:
    source = "import json\ndef f():\n    import json\n    from kubedash.oci import digest\n    from . import x\n"
    assert [finding.rpartition(": ")[2] for finding in hidden_imports(HERE, ast.parse(source))] == [
        "f imports kubedash.oci inside",
        "f imports kubedash inside",
    ]


def test_a_long_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("x = 1\n" * 401)
    assert list(too_long(path, 400)) == [f"{path}:401: 401 lines, most 400"]
    assert list(too_long(path, 401)) == []


def test_percentiles_of_few_and_none() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3], 0.95) == 3
    assert percentile(list(range(1, 101)), 0.95) == 96
