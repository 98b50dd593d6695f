"""No file of the repository may speak of the machine that it was written on.

Paths of a work place and hosts of package registries have no meaning elsewhere; locks
and docs must hold neither. The words are put together here so that this file passes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.findings import report, shown, tracked

_HOSTS: Final = (
    "pypi" + r"\.org",
    "files" + r"\.pythonhosted\.org",
    "registry" + r"\.npmjs\.org",
    "registry" + r"\.yarnpkg\.com",
    "proxy" + r"\.golang\.org",
    "deb" + r"\.debian\.org",
    "crates" + r"\.io",
)
_PATHS: Final = (r"(?<![\w.-])/" + "work/", r"(?<![\w.-])/" + "root/", "/opt/" + "wheels")
FORBIDDEN: Final = re.compile("|".join((*_HOSTS, *_PATHS)))
_TOO_BIG: Final = 5_000_000


def find(path: Path) -> Iterator[str]:
    """Places of forbidden words, as `path:line: word`; none in files that are no text."""
    if path.stat().st_size > _TOO_BIG:
        return
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        for word in FORBIDDEN.findall(line):
            yield f"{shown(path)}:{number}: {word}"


def check() -> int:
    files = tracked()
    return report("words", [finding for path in files for finding in find(path)], f"{len(files)} files are clean")


if __name__ == "__main__":
    sys.exit(check())
