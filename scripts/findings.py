"""What every check has in common: findings with a place, printed one a line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository, those not yet committed too, that git does not ignore."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    listed = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(path for name in set(listed.split("\0")) if name and (path := ROOT / name).is_file())


def shown(path: Path) -> str:
    """The path as a person writes it: from the root of the repository where it lies within."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def report(what: str, findings: Iterable[str], fine: str) -> int:
    """Prints the findings, or that all is fine; the exit code of the check."""
    found = list(findings)
    for finding in found:
        print(finding, file=sys.stderr)
    print(f"{what}: {len(found)} to mend" if found else f"{what}: {fine}")
    return 1 if found else 0
