"""Words of somebody's machine are found, and there are none."""

from __future__ import annotations

from pathlib import Path

from scripts import words


def test_places_and_hosts_are_found(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    host = "pypi" + ".org"
    folder = "/" + "work/main"
    path.write_text(f"fine /network{folder}\nsee {host}\ncd {folder}\n")
    assert [finding.rsplit(":", 2)[1:] for finding in words.find(path)] == [
        ["2", f" {host}"],
        ["3", f" {folder.removesuffix('main')}"],
    ]


def test_files_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff\xfe" + ("pypi" + ".org").encode())
    assert list(words.find(path)) == []
