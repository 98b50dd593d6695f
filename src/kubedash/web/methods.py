"""The `Allow` header, whole: the framework names the methods of one handler of an address, and never HEAD."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from litestar import Litestar
from litestar.enums import HttpMethod
from litestar.types import Scope

_ALLOW: Final = b"allow"
_SEPARATOR: Final = ", "


def with_all_methods(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with everything that its address takes where they say `Allow`."""
    return [
        (name, _completed(scope, value.decode()).encode() if name.lower() == _ALLOW else value)
        for name, value in headers
    ]


def _completed(scope: Scope, allow: str) -> str:
    methods = {*allow.split(_SEPARATOR)}
    if template := scope.get("path_template"):
        methods |= _by_template(scope["litestar_app"]).get(template, frozenset())
    if HttpMethod.GET in methods:
        # Answered everywhere as GET without its content.
        methods.add(HttpMethod.HEAD.value)
    return _SEPARATOR.join(sorted(methods))


@lru_cache(maxsize=8)
def _by_template(app: Litestar) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for route in app.routes:
        found[route.path_format] |= {str(method) for method in getattr(route, "methods", ())}
    return found
