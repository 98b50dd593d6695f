"""Addresses of pages: the image reference is the address.

`/r/<registry>/<repository>[:tag|@digest][/-/<view>]`. `/-/` cannot occur in a
repository's name, so it separates names from views. `parse` reads what follows the
registry; `Urls` writes all of them, with the base path in front.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import punctuation
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from kubedash.errors import InvalidInput, NotFound
from kubedash.oci.reference import Reference, RepositoryName, Tag

_SEPARATOR: Final = "/-/"
_VIEW: Final = re.compile(r"[a-z][a-z0-9-]*(?:/[A-Za-z0-9._:-]+)*")
_SAFE: Final = "/:@+"
"""Left as they are in a path, so that an address reads like the reference it is."""


class Address(msgspec.Struct, frozen=True):
    """What an address below `/r/<registry>/` names."""

    repository: RepositoryName
    reference: Reference | None = None
    """None: the repository itself."""
    view: str | None = None
    """`layers`, `config`, …; None: the main page."""


def parse(rest: str) -> Address:
    """Read what follows `/r/<registry>/`. Raises `NotFound` where no page can be meant."""
    path, separator, view = rest.strip("/").partition(_SEPARATOR)
    if separator and not _VIEW.fullmatch(view):
        raise NotFound(f"There is no view {view[:80]!r}.")
    try:
        name, mark, _ = _split(path)
        reference = Reference.parse(path) if mark else None
        return Address(reference.repository if reference else RepositoryName.parse(name), reference, view or None)
    except InvalidInput as error:
        raise NotFound(f"No image can have this address: {error.message}.", hint=error.hint) from error


def _split(path: str) -> tuple[str, str, str]:
    at = path.partition("@")
    return at if at[1] else path.partition(":")


def safe_next(target: str | None, fallback: str) -> str:
    """Where to go after signing in: a path on this server, else `fallback`.

    Browsers read `//host` and `/\\host` as another server's address. What no header can
    hold is percent-encoded.
    """
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return fallback
    if any(ord(character) < 0x20 for character in target):
        return fallback
    parts = urlsplit(target)
    return fallback if parts.scheme or parts.netloc else quote(target, safe=punctuation, errors="replace")


def query_string(values: dict[str, object]) -> str:
    """`?sort=-created&q=1.*`, or nothing. None and empty text leave a key out."""
    kept = [(key, str(value)) for key, value in values.items() if value is not None and value != ""]
    return f"?{urlencode(kept)}" if kept else ""


class Urls:
    """Writes every address of this server; `url` in the templates."""

    def __init__(self, base_path: str = "") -> None:
        self.base = base_path

    def path(self, path: str) -> str:
        """Any path of ours, such as `/account`, below the base path."""
        return self.base + quote(path, safe=_SAFE + "?=&%~")

    def home(self) -> str:
        return f"{self.base}/"

    def registry(self, registry: str, view: str | None = None, **query: object) -> str:
        """`/r/prod`, or a view of it such as `settings`."""
        return f"{self.base}/r/{_quoted(registry)}{_view(view)}{query_string(query)}"

    def namespace(self, registry: str, namespace: str) -> str:
        """The image list below one folder of the tree."""
        return self.registry(registry, namespace=namespace)

    def repository(self, registry: str, repository: str, view: str | None = None, **query: object) -> str:
        """`/r/prod/library/nginx`: its tag list, or another view."""
        return f"{self.base}/r/{_quoted(registry)}/{_quoted(repository)}{_view(view)}{query_string(query)}"

    def image(self, registry: str, repository: str, reference: str, view: str | None = None) -> str:
        """`reference` is a tag or a digest: `/r/prod/library/nginx:1.25/-/layers`."""
        mark = "@" if ":" in reference else ":"
        return f"{self.base}/r/{_quoted(registry)}/{_quoted(repository)}{mark}{_quoted(reference)}{_view(view)}"

    def comparison(self, registry: str, repository: str, reference: str, other: str) -> str:
        """What differs from `other` (a tag, digest or whole name) to `reference`."""
        return self.image(registry, repository, reference, "compare") + query_string({"with": other})

    def of(self, registry: str, address: Address) -> str:
        """The inverse of `parse`."""
        if address.reference is None:
            return self.repository(registry, address.repository, address.view)
        identifier = address.reference.digest or address.reference.tag or Tag("latest")
        return self.image(registry, address.repository, identifier, address.view)

    def search(self, q: str | None = None) -> str:
        return f"{self.base}/search{query_string({'q': q})}"

    def sign_in(self, following: str | None = None) -> str:
        """`following`: the path to go back to."""
        return f"{self.base}/sign-in{query_string({'next': following})}"

    def theme(self) -> str:
        return f"{self.base}/-/theme"


def _view(view: str | None) -> str:
    return f"{_SEPARATOR}{_quoted(view)}" if view else ""


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """A list asks for hundreds of addresses, most of them with the same names in them."""
    return quote(text, safe=_SAFE)
