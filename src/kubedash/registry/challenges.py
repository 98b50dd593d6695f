"""Reads `WWW-Authenticate` (RFC 9110, 11.6.1), several challenges and all their spellings.

Schemes and parameter names are case-insensitive, values quoted or not, commas may stand
inside quotes, and challenges come as separate headers or merged into one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

MAX_HEADERS: Final = 16
MAX_HEADER_LENGTH: Final = 8192
MAX_CHALLENGES: Final = 16
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SEPARATOR: Final = re.compile(r"[\s,]*")
_EQUALS: Final = re.compile(r"\s*=\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE: Final = re.compile(r"[^\s,\"]+")
_TOKEN68: Final = re.compile(r"[ \t]+[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))")
_ESCAPED: Final = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True):
    """One way a server accepts to be convinced."""

    scheme: str
    """Lower-case: `bearer`, `basic`, …"""
    parameters: dict[str, str] = {}
    """Names in lower case."""

    def get(self, name: str) -> str | None:
        return self.parameters.get(name)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of all headers, in order. Never raises; what makes no sense is passed over."""
    found: list[Challenge] = []
    for header in islice(headers, MAX_HEADERS):
        found.extend(_parse(header[:MAX_HEADER_LENGTH]))
    return tuple(found[:MAX_CHALLENGES])


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while (position := _skip(_SEPARATOR, header, position)) < len(header):
        token = _TOKEN.match(header, position)
        if token is None:
            position = _skip_nonsense(header, position)
            continue
        position = token.end()
        equals = _EQUALS.match(header, position)
        if equals is None:
            found.append(Challenge(token.group().lower(), {}))
            position = _skip_token68(header, position)
        else:
            value, position = _value(header, equals.end())
            if found:
                # The first of two equal names wins, as a later one may be smuggled in.
                found[-1].parameters.setdefault(token.group().lower(), value)
    return found


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _skip_nonsense(header: str, position: int) -> int:
    if header[position] != '"':
        return position + 1
    quoted = _QUOTED.match(header, position)
    # Behind a quote that never ends is nothing but its text; looking again at each
    # character of it would take time by the square of its length.
    return quoted.end() if quoted else len(header)


def _skip_token68(header: str, position: int) -> int:
    """Passes over the opaque data of `Negotiate YII…==`."""
    return _skip(_TOKEN68, header, position)


def _value(header: str, position: int) -> tuple[str, int]:
    quoted = _QUOTED.match(header, position)
    if quoted:
        return _ESCAPED.sub(r"\1", quoted.group(1)), quoted.end()
    bare = _BARE.match(header, position)
    return (bare.group(), bare.end()) if bare else ("", position)
