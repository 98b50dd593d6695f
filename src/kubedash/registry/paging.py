"""Lists in pages: where the next one is, and when to stop.

`Link` is followed by the rules; without it one question more is put where a page was
exactly full, because old registries have pages but no links (Gitea), and others ignore
both `n` and `last` and would repeat themselves for ever (distribution 2.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final
from urllib.parse import urlencode

from kubedash.registry.addresses import Base, resolve_next_page
from kubedash.registry.errors import TooLarge, Unreadable

PAGE_SIZE: Final = 1000
"""distribution's default maximum for catalogs; ECR refuses more for tags."""
MAX_PAGES: Final = 10_000
MAX_NAMES: Final = 1_000_000
MAX_BARREN_PAGES: Final = 100
MAX_PAGE_BYTES: Final = 16 * 1024 * 1024
MAX_LINKS: Final = 16
"""Headers, and links in one of them, that are looked at."""
MAX_HEADER_LENGTH: Final = 8192
_LINK: Final = re.compile(r"<([^<>]*)>((?:[^,<\"]|\"(?:[^\"\\]|\\.)*\")*)")
_REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the first `rel="next"` (RFC 8288), as it was written."""
    for header in islice(headers, MAX_LINKS):
        for match in islice(_LINK.finditer(header[:MAX_HEADER_LENGTH]), MAX_LINKS):
            rel = _REL.search(match.group(2))
            if rel and "next" in (rel.group(1) or rel.group(2)).lower().split():
                return match.group(1)
    return None


class Pager:
    """Walks one list. Holds what was seen; fetches nothing."""

    def __init__(self, base: Base, path: str, *, size: int | None = PAGE_SIZE) -> None:
        self._base = base
        self._path = path
        self.size = size
        self.url = self._page_url(None)
        """The page to fetch next."""
        self.guessing = False
        """Whether that page is our own guess: the registry did not announce it."""
        self._visited: set[str] = set()
        self._seen: set[str] = set()
        self._pages = 0
        self._barren = 0

    def without_size(self) -> None:
        """Begins again without `n`: the registry has a lower maximum."""
        self.size = None
        self.url = self._page_url(None)

    def take(self, names: Sequence[str], links: Iterable[str]) -> tuple[tuple[str, ...], bool]:
        """The names not seen before, and whether there is another page at `url`.

        Raises `Unreadable` on loops, `TooLarge` beyond our caps, `UnsafeAddress` on
        links that lead away: a list that did not end well is not complete.
        """
        here = self.url
        self._visited.add(here)
        new = tuple(dict.fromkeys(name for name in names if name not in self._seen))
        self._seen.update(new)
        self._pages += 1
        self._barren = 0 if new else self._barren + 1
        if len(self._seen) > MAX_NAMES or self._pages > MAX_PAGES:
            raise TooLarge(f"The list has more than {MAX_NAMES:,} names or {MAX_PAGES:,} pages.", asked=f"GET {here}")
        return new, self._advance(here, names, bool(new), next_link(links))

    def _advance(self, here: str, names: Sequence[str], grew: bool, link: str | None) -> bool:
        if link is not None:
            self.url = resolve_next_page(self._base, here, link)
            self.guessing = False
            if self.url in self._visited or self._barren > MAX_BARREN_PAGES:
                raise Unreadable(
                    "The registry's list goes round in circles.",
                    asked=f"GET {here}",
                    answered=f"next: {self.url}"[:500],
                    hint="Check the proxy in front of the registry: it may drop the query.",
                )
            return True
        if not grew or self.size is None or len(names) != self.size:
            return False
        self.url = self._page_url(names[-1])
        self.guessing = True
        return self.url not in self._visited

    def _page_url(self, last: str | None) -> str:
        query = {"n": str(self.size)} if self.size is not None else {}
        if last is not None:
            query["last"] = last
        return f"{self._base.root}{self._path}" + (f"?{urlencode(query)}" if query else "")
