"""What the product offers to the outside, asked of the product itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import Final

from cyclopts import App
from litestar.routes import HTTPRoute

from kubedash.cli.main import app as command_line
from kubedash.settings import load
from kubedash.web.app import create_app

_OWN_METHODS: Final = frozenset({"OPTIONS", "HEAD"})
_BUILT_IN: Final = ("--help", "-h", "--version")


def verbs(app: App = command_line, prefix: str = "") -> Iterator[str]:
    """Every verb of the command line, `registry add` as two words."""
    for name in app:
        if name in _BUILT_IN:
            continue
        inner = list(verbs(app[name], f"{prefix}{name} "))
        yield from inner or [f"{prefix}{name}"]


def operations() -> list[tuple[str, str]]:
    """Method and path of every route, parameters without their types."""
    with tempfile.TemporaryDirectory() as folder:
        routes = create_app(load({"KUBEDASH_DATA_DIR": folder})).routes
    found = {
        (method, re.sub(r":\w+}", "}", route.path_format))
        for route in routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in _OWN_METHODS
    }
    return sorted(found, key=lambda operation: (operation[1], operation[0]))
