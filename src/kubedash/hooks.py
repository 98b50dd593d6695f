"""Posting to somebody else's webhook: one request, no redirects, nothing believed of the answer.

The address is an administrator's word, as that of a registry is, so it may be private.
Where the receiver would like to send us is its own business: redirects are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec
from aiohttp import hdrs

from kubedash import __version__

TIMEOUT_SECONDS: Final = 10.0
MAX_ANSWER: Final = 300
"""Bytes of an answer that are shown where it is no good."""
USER_AGENT: Final = f"kubedash/{__version__}"


class Answer(msgspec.Struct, frozen=True):
    """What became of a post."""

    status: int | None
    """None: there was no answer."""
    problem: str | None
    """None: it was taken."""
    retry_after: float | None = None
    """Seconds that the receiver asks us to wait."""

    @property
    def taken(self) -> bool:
        return self.problem is None


class Hooks:
    """A client for webhooks; use it as a context manager. Belongs to one event loop."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: USER_AGENT, hdrs.CONTENT_TYPE: "application/json"},
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Whatever happens is in the answer."""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                if response.status < 300:
                    return Answer(response.status, None)
                said = (await response.content.read(MAX_ANSWER)).decode("utf-8", "replace")
                return Answer(response.status, _refusal(response, said), _seconds(response))
        except TimeoutError:
            return Answer(None, f"There was no answer within {TIMEOUT_SECONDS:.0f} seconds.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, f"It could not be reached: {_reason(error)}.")


def _reason(error: Exception) -> str:
    """In words, without the address: that may hold a secret."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number).lower() if number else "no connection"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return "it hung up"
    return "it does not speak HTTP as it should"


def _refusal(response: aiohttp.ClientResponse, said: str) -> str:
    if response.status < 400:
        return f"It answered {response.status}: redirects are not followed."
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())
    return f"It answered {response.status}{': ' if words else ''}{words}"


def _seconds(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get(hdrs.RETRY_AFTER, "")
    return float(text) if text.isdecimal() and len(text) < 8 else None
