"""`make bench`: runs the parts, prints their figures; `--write` puts them into the docs.

A part is a module of this package with `figures() -> Iterator[Figure]`. Every part
measures both sides of its ratio in one run.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from typing import Final

from bench.figures import Figure, table, write

PARTS: Final = ("pages", "crawl", "store", "events", "flood", "timeline")


def main() -> int:
    """Exit code 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--write", action="store_true", help="renew docs/explanation/performance.md")
    arguments = parser.parse_args()
    # An ended bench must end the servers that it started, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sections = []
    missed: list[Figure] = []
    for part in arguments.parts or PARTS:
        found = list(importlib.import_module(f"bench.{part}").figures())
        print(f"\n### {part}\n\n{table(found)}", flush=True)
        sections.append(f"### {part}\n\n{table(found)}")
        missed += [figure for figure in found if figure.holds is False]
    if arguments.write:
        write("\n\n".join((_machine(), *sections)))
    return 1 if missed else 0


def _machine() -> str:
    day = datetime.now(UTC).date().isoformat()
    python = platform.python_version()
    return f"Measured {day} with Python {python} on {os.cpu_count()} processors, {platform.system()}."


if __name__ == "__main__":
    sys.exit(main())
