"""Which values of an image's environment and history look secret, and how to hide them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "••••••••"
MAX_CHECKED: Final = 131_072
"""Characters of one image that are searched for secrets; beyond them everything is hidden
unread, so that a huge configuration cannot keep the server busy at every view."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS: Final = frozenset(
    (
        "PASS",
        "PASSWORD",
        "PASSWORDS",
        "PASSWD",
        "PASSPHRASE",
        "PASSCODE",
        "PWD",
        "DBPASS",
        "PGPASS",
        "SECRET",
        "SECRETS",
        "TOKEN",
        "KEY",
        "KEYS",
        "APIKEY",
        "ACCESSKEY",
        "SECRETKEY",
        "PRIVATEKEY",
        "AUTHKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "CREDS",
        "CRED",
        "DSN",
        "JWT",
        "COOKIE",
        "PAT",
        "SAS",
    )
)
_SECRET_ENDINGS: Final = ("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIALS")
_HARMLESS_NAMES: Final = frozenset({"PWD", "OLDPWD"})
_HARMLESS_LAST_WORDS: Final = frozenset(
    (
        "FILE",
        "FILES",
        "PATH",
        "DIR",
        "DIRECTORY",
        "LENGTH",
        "LEN",
        "SIZE",
        "TTL",
        "EXPIRY",
        "EXPIRES",
        "EXPIRATION",
        "TIMEOUT",
        "AGE",
        "TYPE",
        "ALGORITHM",
        "ALG",
        "ALGO",
        "ENABLED",
        "DISABLED",
        "REQUIRED",
        "COUNT",
        "LIMIT",
        "MIN",
        "MAX",
        "FORMAT",
        "HEADER",
        "NAME",
        "SERVER",
        "SERVERS",
        "STORE",
        "LAYOUT",
        "FINGERPRINT",
        "POLICY",
        "PROVIDER",
        "ISSUER",
        "ENDPOINT",
        "ROTATION",
        "INTERVAL",
        "URL",
        "URI",
        "HOST",
        "PORT",
    )
)
_PUBLIC_WORDS: Final = frozenset({"PUBLIC", "PUB", "GPG", "PGP"})
"""Keys that are made to be known: `GPG_KEY` in many official images is a fingerprint."""
_HARMLESS_VALUES: Final = frozenset({"", "yes", "no", "true", "false", "on", "off", "none", "null", "0", "1"})
"""What such a name holds when it switches something on or off."""
_NO_VALUE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?|/run/secrets/\S*|/var/run/secrets/\S*")
_USERINFO: Final = re.compile(
    r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)(?P<user>[^/\s?#@:]*+)(?P<rest>[^/\s?#]*)@"
)
_SECRET_VALUES: Final = re.compile(
    r"-----BEGIN (?!(?:CERTIFICATE|PUBLIC KEY|PGP PUBLIC KEY BLOCK|X509 CERTIFICATE|TRUSTED CERTIFICATE)-----)"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}+\.eyJ[A-Za-z0-9_-]{5,}+\."
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|dckr_pat_|npm_|hvs\.|xox[abeprs]-|sk_live_|rk_live_)[A-Za-z0-9_-]{10}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bAIza[A-Za-z0-9_-]{30}"
    r"|\bAGE-SECRET-KEY-1"
    r"|\b(?:Bearer|Basic) [A-Za-z0-9+/=._-]{16}"
    r"|(?:^|;)\s*(?i:password|pwd|accountkey|sharedaccesskey)=[^;\s]"
)
_ASSIGNMENT: Final = re.compile(
    r"""(?P<name>\b[A-Za-z_][A-Za-z0-9_.-]{0,100})=(?P<value>"[^"]*"|'[^']*'|[^\s"';&|]+)"""
)


def mask_env(env: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """`NAME=value` entries with secret values hidden, and how many were.

    Of an address with a password only the password is hidden.
    """
    masked = checked = 0
    shown = []
    for entry in env:
        checked += len(entry)
        name, equals, value = entry.partition("=")
        hidden = mask_value(name, value) if checked <= MAX_CHECKED else MASK
        masked += hidden != value
        shown.append(f"{name}{equals}{hidden}")
    return tuple(shown), masked


def mask_value(name: str, value: str) -> str:
    """The value as it may be shown: itself, or with all or a part of it hidden."""
    if _SECRET_VALUES.search(value) or (is_secret_name(name) and _could_be_secret(value)):
        return MASK
    return _USERINFO.sub(_without_password, value)


def mask_text(text: str) -> str:
    """A command line or instruction with secret assignments and passwords hidden.

    Build arguments and `ENV` lines end up in the history in the clear.
    """
    without = _ASSIGNMENT.sub(_masked_assignment, text)
    if _SECRET_VALUES.search(without):
        return MASK
    return _USERINFO.sub(_without_password, without)


def mask_lines(lines: Iterable[str | None]) -> tuple[str | None, ...]:
    """Each line through `mask_text`, as far as `MAX_CHECKED` reaches; None stays None."""
    checked = 0
    shown: list[str | None] = []
    for line in lines:
        checked += len(line or "")
        shown.append(line and (mask_text(line) if checked <= MAX_CHECKED else MASK))
    return tuple(shown)


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name usually holds a secret: `DB_PASSWORD`, not `KEYBOARD`."""
    words = [word.upper() for word in _WORDS.findall(name)]
    if name.upper() in _HARMLESS_NAMES or not words or words[-1] in _HARMLESS_LAST_WORDS:
        return False
    if "PRIVATE" not in words and not _PUBLIC_WORDS.isdisjoint(words):
        words = [word for word in words if word not in ("KEY", "KEYS")]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words)


def _could_be_secret(value: str) -> bool:
    return value.lower() not in _HARMLESS_VALUES and not _NO_VALUE.fullmatch(value)


def _masked_assignment(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    inner = value.strip(quote) if quote else value
    return f"{match['name']}={quote}{mask_value(match['name'], inner)}{quote}"


def _without_password(match: re.Match[str]) -> str:
    """`scheme://user:password@` without the password; a lone name is one only over HTTP."""
    scheme, user, rest = match["scheme"], match["user"], match["rest"]
    if rest.startswith(":") and len(rest) > 1:
        return f"{scheme}{user}:{MASK}@"
    if user and scheme.lower() in ("http://", "https://"):
        return f"{scheme}{MASK}@"
    return match[0]
