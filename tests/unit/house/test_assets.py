"""The build hook: when the assets are made again, and where Node comes from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The inputs alone, as in a fresh checkout."""
    for name in hatch_build.INPUTS:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    (tmp_path / hatch_build.STAMP).parent.mkdir()
    return tmp_path


def test_nothing_is_built_twice(tree: Path) -> None:
    assert not hatch_build.is_current(tree)
    (tree / hatch_build.STAMP).write_text(hatch_build.stamp(tree))

    assert hatch_build.is_current(tree)
    assert not hatch_build.build(tree)


@pytest.mark.parametrize("name", ["package-lock.json", "src/kubedash/web/static/css/tokens.css", "scripts/assets.mjs"])
def test_a_changed_input_is_built_again(tree: Path, name: str) -> None:
    (tree / hatch_build.STAMP).write_text(hatch_build.stamp(tree))
    (tree / name).write_text((tree / name).read_text() + "\n")

    assert not hatch_build.is_current(tree)


def test_node_comes_from_pypi_only_where_it_is_needed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = object.__new__(hatch_build.AssetsHook)
    monkeypatch.setattr(hatch_build.AssetsHook, "root", str(tree))
    monkeypatch.setenv("PATH", str(tree))
    assert hook.dependencies() == [hatch_build.NODE_FROM_PYPI]
    (tree / hatch_build.STAMP).write_text(hatch_build.stamp(tree))

    assert hook.dependencies() == []


@pytest.mark.parametrize(
    ("version", "enough"), [("v20.18.9", False), ("v20.19.0", True), ("v24.1.0", True), ("odd", False)]
)
def test_an_old_node_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, enough: bool
) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert hatch_build.node_on_path() is enough


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()
