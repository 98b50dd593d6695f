"""Reads what a person says about a registry, and says field by field what cannot be.

Pure: nothing is asked over the network. A private address is normal here, because
that is where most registries live.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from cryptography import x509
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistrySettings

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~%-]+)*")
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?\[\]!-]{1,128}")
MAX_TITLE: Final = 200
MAX_PEM: Final = 256 * 1024
MAX_LISTED: Final = 10_000
MAX_PATTERNS: Final = 200
MAX_URL: Final = 2_000
MAX_LABEL: Final = 63
"""Letters between two dots of a host name, as DNS has it."""
MAX_HOST: Final = 253 + len(":65535")


def normalise(settings: RegistrySettings) -> RegistrySettings:
    """The settings in their one spelling.

    Raises `InvalidInput` whose `fields` names everything that is wrong at once.
    """
    problems: dict[str, str] = {}

    def attempt(field: str, read: Callable[[], str | None]) -> str | None:
        try:
            return read()
        except InvalidInput as error:
            problems[field] = error.message
            return None

    name = attempt("name", lambda: read_slug(settings.name))
    url = attempt("url", lambda: read_url(settings.url))
    result = replace(
        settings,
        name=name or "",
        title=attempt("title", lambda: _title(settings.title)) or name or "",
        url=url or "",
        username=_blank_is_none(settings.username),
        ca_pem=attempt("ca_pem", lambda: read_certificates(settings.ca_pem)),
        client_certificate_pem=attempt(
            "client_certificate_pem", lambda: read_certificates(settings.client_certificate_pem)
        ),
        proxy=attempt("proxy", lambda: read_proxy(settings.proxy)),
        pull_host=attempt("pull_host", lambda: read_pull_host(settings.pull_host)),
        repositories=tuple(dict.fromkeys(settings.repositories)),
        protected_tags=tuple(dict.fromkeys(settings.protected_tags)),
    )
    problems.update(_list_problems(result))
    if problems:
        raise InvalidInput("Some of the settings cannot be used.", fields=problems)
    return result


def read_slug(text: str) -> str:
    """The registry's name in addresses. Raises `InvalidInput`."""
    slug = text.strip()
    if not slug:
        raise InvalidInput("A name is needed: it becomes part of every address.")
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("Use lower-case letters, digits and dashes between them, at most 63 characters.")
    return slug


def has_scheme(url: str) -> bool:
    return "://" in url


def read_url(text: str) -> str:
    """`https://host:port/prefix`, or `host:port/prefix` where no scheme was given.

    `/v2/` and the catalog's `/v2/_catalog` at the end are dropped, because every request
    adds its own. Raises `InvalidInput`.
    """
    given = text.strip()
    if not given:
        raise InvalidInput("An address is needed, such as registry.example.com:5000.")
    if len(given) > MAX_URL:
        raise InvalidInput("That address is too long.")
    parts = _split(given if has_scheme(given) else f"//{given}")
    if has_scheme(given) and parts[0] not in ("http", "https"):
        raise InvalidInput("Only http:// and https:// are spoken here.")
    path = re.sub(r"/v2(/_catalog)?$", "", parts[2].rstrip("/")).rstrip("/")
    if not _PATH.fullmatch(path):
        raise InvalidInput("The path prefix has characters that cannot be part of one.")
    if has_scheme(given):
        return urlunsplit((parts[0], parts[1], path, "", ""))
    return f"{parts[1]}{path}"


def candidates(url: str) -> tuple[str, ...]:
    """The addresses to try in turn: a bare host means https first, then http."""
    return (url,) if has_scheme(url) else (f"https://{url}", f"http://{url}")


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


def read_pull_host(text: str | None) -> str | None:
    """`host[:port][/prefix]`, as it stands before the repository in `docker pull`."""
    given = _blank_is_none(text)
    if given is None:
        return None
    if has_scheme(given):
        raise InvalidInput("Only the host and port, without https://.")
    host, _, path = given.rstrip("/").partition("/")
    _check_host(host)
    if path and not _PATH.fullmatch(f"/{path}"):
        raise InvalidInput("The path behind the host has characters that cannot be part of one.")
    return given.rstrip("/")


def read_proxy(text: str | None) -> str | None:
    given = _blank_is_none(text)
    if given is None:
        return None
    parts = _split(given)
    if parts[0] not in ("http", "https"):
        raise InvalidInput("A proxy is written http://host:port or https://host:port.")
    return urlunsplit((parts[0], parts[1], "", "", ""))


def read_certificates(text: str | None) -> str | None:
    """PEM with at least one certificate, or None where nothing was given."""
    given = _blank_is_none(text)
    if given is None:
        return None
    if len(given) > MAX_PEM:
        raise InvalidInput("That is too long for a certificate bundle.")
    try:
        x509.load_pem_x509_certificates(given.encode())
    except ValueError as error:
        raise InvalidInput(
            "No certificate can be read from this. It begins with -----BEGIN CERTIFICATE-----."
        ) from error
    return f"{given}\n"


def read_repositories(text: str) -> tuple[RepositoryName, ...]:
    """One name a line (or between commas). Raises `InvalidInput` that quotes the first bad one."""
    return tuple(RepositoryName.parse(word) for word in _words(text))


def read_patterns(text: str) -> tuple[str, ...]:
    return tuple(_words(text))


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, path; refuses credentials, query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput("The port must be a number up to 65535.") from error
    if "@" in parts.netloc:
        raise InvalidInput("Leave user and password out of the address; they have fields of their own.")
    if parts.query or parts.fragment:
        raise InvalidInput("The address must end before ? or #.")
    _check_host(parts.netloc)
    if port == 0:
        raise InvalidInput("The port must be a number between 1 and 65535.")
    return parts.scheme, parts.netloc.lower(), parts.path


def _check_host(netloc: str) -> None:
    labels = netloc.partition(":")[0].rstrip(".").split(".")
    fits = len(netloc) <= MAX_HOST and (netloc.startswith("[") or all(0 < len(label) <= MAX_LABEL for label in labels))
    if not fits or not _HOST.fullmatch(netloc):
        raise InvalidInput("That is no host name or address, such as registry.example.com:5000 or [::1]:5000.")


def _title(text: str) -> str | None:
    given = text.strip()
    if len(given) > MAX_TITLE:
        raise InvalidInput(f"At most {MAX_TITLE} characters.")
    return given or None


def _list_problems(settings: RegistrySettings) -> dict[str, str]:
    problems = {}
    if len(settings.repositories) > MAX_LISTED:
        problems["repositories"] = f"At most {MAX_LISTED:,} names."
    for name in settings.repositories:
        try:
            RepositoryName.parse(name)
        except InvalidInput as error:
            problems["repositories"] = error.message
    bad = [pattern for pattern in settings.protected_tags if not _PATTERN.fullmatch(pattern)]
    if bad:
        problems["protected_tags"] = f"{bad[0][:80]!r} is no tag or pattern: letters, digits, . _ - and * ? are."
    if len(settings.protected_tags) > MAX_PATTERNS:
        problems["protected_tags"] = f"At most {MAX_PATTERNS} patterns."
    return problems


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _blank_is_none(text: str | None) -> str | None:
    return (text or "").strip() or None
