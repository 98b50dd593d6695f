"""Template lint: what a page may say, read from its source.

Templates keep to the part of the language that MiniJinja and Jinja2 share, hold no
style, script or handler inline (the content security policy forbids them), and never
switch escaping off.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final

import minijinja

from scripts.findings import ROOT, report, tracked

FOLDER: Final = ROOT / "src/kubedash/web/templates"
TAGS: Final = re.compile(r"extends|include|import|from|elif|else|(end)?(block|macro|call|if|for|set|with)")
SAFE_ALLOWED: Final = frozenset({"patterns/_headings.html"})
"""Templates that may use `safe`, for markup made by the server from no foreign text."""
_TAG: Final = re.compile(r"\{%[-+]?\s*(\w+)")
_CODE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT: Final = re.compile(r"\{#.*?#\}", re.DOTALL)
_IMPORTED: Final = re.compile(r"\{%-?\s*from\s+\S+\s+import\s+(.+?)-?%\}", re.DOTALL)
_MODULE: Final = re.compile(r"\{%-?\s*import\s+\S+\s+as\s+(\w+)")
_FORBIDDEN: Final = (
    (re.compile(r"<style\b", re.IGNORECASE), "an inline <style>"),
    (re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE), "an inline <script>"),
    (re.compile(r"<[a-z][^>]*\sstyle\s*=", re.IGNORECASE), "a style attribute"),
    (re.compile(r"<[a-z][^>]*\son[a-z]+\s*=", re.IGNORECASE), "an on… attribute"),
    (re.compile(r"<[a-z][^>]*\shx-on", re.IGNORECASE), "an hx-on attribute"),
    (re.compile(r"(?:href|src|action)\s*=\s*[\"']?\s*javascript:", re.IGNORECASE), "a javascript: address"),
)


def lint(name: str, source: str) -> Iterator[str]:
    """What is wrong with one template, as `name:line: reason`."""
    source = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)
    for check in (_unreadable, _foreign_tags, _unescaped, _inline, _untitled, _unused):
        yield from check(name, source)


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1


def _unreadable(name: str, source: str) -> Iterator[str]:
    try:
        minijinja.Environment().add_template(name, source)
    except minijinja.TemplateError as error:
        yield f"{name}:{error.line or 1}: {error.message}"


def _foreign_tags(name: str, source: str) -> Iterator[str]:
    for tag in _TAG.finditer(source):
        if not TAGS.fullmatch(tag[1]):
            yield f"{name}:{_line(source, tag.start())}: the tag {tag[1]} is outside the shared subset"


def _unescaped(name: str, source: str) -> Iterator[str]:
    if name in SAFE_ALLOWED:
        return
    for code in _CODE.finditer(source):
        if re.search(r"\|\s*safe\b|\bautoescape\b", code[0]):
            yield f"{name}:{_line(source, code.start())}: switches escaping off"


def _inline(name: str, source: str) -> Iterator[str]:
    bare = _CODE.sub(lambda found: "x" + "\n" * found[0].count("\n"), source)
    for pattern, what in _FORBIDDEN:
        for found in pattern.finditer(bare):
            yield f"{name}:{_line(bare, found.start())}: {what}"


def _untitled(name: str, source: str) -> Iterator[str]:
    """Whoever extends a layout is a page, or the frame of several, and names itself."""
    extends = re.search(r"\{%-?\s*extends\s+[\"'](?:layouts/|base\.html)", source)
    if extends and not name.startswith("layouts/") and not re.search(r"\{%-?\s*block title\b", source):
        yield f"{name}:1: a page without a title block"


def _unused(name: str, source: str) -> Iterator[str]:
    for imported in _IMPORTED.finditer(source):
        rest = source[: imported.start()] + source[imported.end() :]
        for entry in imported[1].split(","):
            macro = entry.split(" as ")[-1].strip()
            if macro and not re.search(rf"\b{re.escape(macro)}\b", rest):
                yield f"{name}:{_line(source, imported.start())}: imports {macro} without using it"
    for module in _MODULE.finditer(source):
        rest = source[: module.start()] + source[module.end() :]
        if not re.search(rf"\b{module[1]}\.", rest):
            yield f"{name}:{_line(source, module.start())}: imports {module[1]} without using it"


def check() -> int:
    templates = [path for path in tracked("src/*.html") if path.is_relative_to(FOLDER)]
    findings = [
        f"src/kubedash/web/templates/{finding}"
        for path in templates
        for finding in lint(str(path.relative_to(FOLDER)), path.read_text())
    ]
    return report("templates", findings, f"{len(templates)} are fine")


if __name__ == "__main__":
    sys.exit(check())
