"""The docs checks see what they should, and the docs hold."""

from __future__ import annotations

import re
from pathlib import Path

from kubedash.settings import Setting
from scripts import documentation
from scripts.documentation import anchors, broken_links, settings_table


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A title: `x`, here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](https://example.com) [c](gone.md)\n"
        "[d](there.md#a-title-x-here) [e](there.md#no)\n```\n[f](gone.md)\n```\n![g](gone.png)\n"
    )
    assert [finding.split(": ", 1)[1] for finding in broken_links(page)] == [
        "leads to gone.md, which is not there",
        "there.md has no heading #no",
        "leads to gone.png, which is not there",
    ]


def test_headings_in_code_are_none() -> None:
    assert anchors("# One\n```sh\n# no\n```\n## Two words\n") == {"one", "two-words"}


def test_a_setting_is_a_row() -> None:
    table = settings_table([Setting("A_B", "b", "", "What it does.", secret=True)])
    assert table.splitlines()[-1] == "| `A_B` | `b` | empty | What it does. May be a file: `A_B_FILE`. |"


def test_marks_keep_what_is_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "settings.md"
    page.write_text("before\n<!-- settings: begin -->\nstale text\n<!-- settings: end -->\nafter\n")
    documentation.write_settings(page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "stale text" not in text
    assert list(documentation.stale_settings(text)) == []


def test_everything_is_documented() -> None:
    assert documentation.check() == 0


def test_what_a_guide_tells_people_to_choose_is_on_a_page() -> None:
    """In bold stands what is written on our screens, others' in quotes; a word with a full stop is a heading."""
    web = documentation.ROOT / "src" / "kubedash" / "web"
    screens = "".join(path.read_text() for end in ("html", "py") for path in sorted(web.rglob(f"*.{end}")))
    guides = [
        path for part in ("tutorial", "how-to") for path in sorted((documentation.ROOT / "docs" / part).glob("*.md"))
    ]
    told = {label for guide in guides for label in re.findall(r"\*\*([^*\n]+)\*\*", guide.read_text())}
    assert "Test connection" in told
    assert sorted(label for label in told if label not in screens and not label.endswith(".")) == []
