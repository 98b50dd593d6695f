"""Docs that cannot go stale unseen: settings, verbs, routes and links are checked.

`--write` renews the table of settings from the code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from kubedash.settings import SETTINGS, Setting
from scripts.findings import ROOT, report, shown, tracked
from scripts.surface import operations, verbs

REFERENCE: Final = ROOT / "docs/reference"
_BEGIN: Final = "<!-- settings: begin -->"
_END: Final = "<!-- settings: end -->"
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_PATH: Final = re.compile(r"`(?:[A-Z/]+ )?(/[^`\s]*)`|(?<=[A-Z] )(/[^`\s|]*)")
_METHOD: Final = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\b")
_HEADING: Final = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)


def settings_table(settings: Iterable[Setting]) -> str:
    """The table of docs/reference/settings.md."""
    rows = ["| setting | in `kubedash.toml` | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in settings:
        default = f"`{setting.default}`" if setting.default else "empty"
        secret = " May be a file: `" + setting.name + "_FILE`." if setting.secret else ""
        rows.append(f"| `{setting.name}` | `{setting.key}` | {default} | {setting.help}{secret} |")
    return "\n".join(rows)


def stale_settings(text: str) -> Iterator[str]:
    """Rows that the page lacks or tells otherwise."""
    for row in settings_table(SETTINGS).splitlines()[2:]:
        if row not in text:
            yield f"docs/reference/settings.md:1: lacks {row.split('`')[1]} as it is: run `make docs`"


def write_settings(path: Path) -> None:
    """Renews the table between the two marks."""
    head, _, rest = path.read_text().partition(_BEGIN)
    tail = rest.partition(_END)[2]
    path.write_text(f"{head}{_BEGIN}\n{settings_table(SETTINGS)}\n{_END}{tail}")


def missing_verbs(text: str) -> Iterator[str]:
    for verb in verbs():
        if f"kubedash {verb}" not in text:
            yield f"docs/reference/cli.md:1: lacks `kubedash {verb}`"


def missing_routes(text: str) -> Iterator[str]:
    """A route is told where one line holds its method and, between backquotes, its path."""
    told = {pair for line in text.splitlines() for pair in _told(line)}
    for method, path in operations():
        if (method, _anonymous(path)) not in told:
            yield f"docs/reference:1: neither api.md nor routes.md tells of `{method} {path}`"


def _told(line: str) -> Iterator[tuple[str, str]]:
    paths = {
        _anonymous(path.partition("?")[0].partition("[")[0])
        for found in _PATH.finditer(line)
        for path in (found[1] or found[2],)
    }
    for method in _METHOD.findall(line):
        yield from ((method, path) for path in paths)


def _anonymous(path: str) -> str:
    """What a parameter is called does not matter."""
    return re.sub(r"{\w+}", "{}", path)


def broken_links(path: Path) -> Iterator[str]:
    """Relative links of one page that lead nowhere, headings included."""
    source = path.read_text()
    prose = _CODE.sub(lambda found: "\n" * found[0].count("\n"), source)
    for found in _LINK.finditer(prose):
        target = found[1] or found[2]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        line = prose.count("\n", 0, found.start()) + 1
        if not goal.exists():
            yield f"{shown(path)}:{line}: leads to {target}, which is not there"
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal.read_text()):
            yield f"{shown(path)}:{line}: {name or 'this page'} has no heading #{anchor}"


def anchors(source: str) -> set[str]:
    """The anchors that a Markdown page offers, as forges make them from headings."""
    titles = _HEADING.findall(_CODE.sub("", source))
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-") for title in titles}


def _read(*names: str) -> str:
    return "\n".join((REFERENCE / name).read_text() for name in names if (REFERENCE / name).exists())


def check() -> int:
    pages = tracked("*.md")
    findings = [finding for page in pages for finding in broken_links(page)]
    findings += stale_settings(_read("settings.md"))
    findings += missing_verbs(_read("cli.md"))
    findings += missing_routes(_read("api.md", "routes.md"))
    return report("documentation", findings, f"{len(pages)} pages are complete")


if __name__ == "__main__":
    if "--write" in sys.argv:
        write_settings(REFERENCE / "settings.md")
    sys.exit(check())
