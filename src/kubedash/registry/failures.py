"""Failures of the connection, translated into our error tree."""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp

from kubedash.errors import RegistryError
from kubedash.registry.complaints import plain
from kubedash.registry.errors import NotARegistry, TimedOut, TlsFailed, Unreachable, Unreadable, WrongProtocol
from kubedash.registry.resolving import PrivateAddress

_CERTIFICATE_HINT: Final = (
    "Paste the certificate of the authority that signed it into the registry's settings, "
    "or use the name it was made for."
)
_PLAIN_HTTP: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_CLIENT_CERTIFICATE: Final = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")


def explain(error: Exception, asked: str) -> RegistryError:
    """The error for what aiohttp, the socket or TLS reported."""
    inner = _innermost(error)
    if isinstance(inner, PrivateAddress):
        return inner.refusal
    if isinstance(inner, ssl.SSLError):
        return _explain_tls(inner, asked)
    answered = plain(str(inner) or type(inner).__name__)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimedOut(
            "No connection to the registry within the time limit.",
            asked=asked,
            answered="nothing: no connection",
            hint="Check host, port and firewalls.",
        )
    if isinstance(error, TimeoutError):
        return TimedOut(
            "The registry did not answer within the time limit.",
            asked=asked,
            answered="nothing, or too slowly",
            hint="See whether it is overloaded; the limit is KUBEDASH_REGISTRY_TIMEOUT.",
        )
    return _explain_connection(error, asked, answered)


def _explain_connection(error: Exception, asked: str, answered: str) -> RegistryError:
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return Unreachable(
            "The proxy does not take us to the registry.",
            asked=asked,
            answered=answered,
            hint="Check the proxy in the registry's settings.",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(
            "The registry's name is not known.", asked=asked, answered=answered, hint="Check the host's spelling."
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(
            "The registry takes no connections.",
            asked=asked,
            answered=answered,
            hint="Check host and port, and whether it runs.",
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return NotARegistry(
            "What answers there does not speak HTTP as we know it.",
            asked=asked,
            answered=answered,
            hint="Check host and port.",
        )
    if isinstance(error, aiohttp.InvalidURL):
        return Unreadable("The address cannot be used.", asked=asked, answered=answered)
    return Unreachable(
        "The connection broke before the answer was complete.",
        asked=asked,
        answered=answered,
        hint="See the registry's log and the proxy in front of it.",
    )


def _explain_tls(error: ssl.SSLError, asked: str) -> RegistryError:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(
            "The registry's certificate is not trusted.",
            asked=asked,
            answered=plain(error.verify_message),
            hint=_CERTIFICATE_HINT,
        )
    if any(word in reason for word in _PLAIN_HTTP):
        return WrongProtocol(
            "The registry does not speak HTTPS at this address.",
            asked=asked,
            answered=plain(reason),
            hint="Begin the registry's address with http://, if its connection need not be secret.",
        )
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return TlsFailed(
            "The registry does not accept our client certificate.",
            asked=asked,
            answered=plain(reason),
            hint="Check client certificate and key in the registry's settings.",
        )
    return TlsFailed("No encrypted connection came about.", asked=asked, answered=plain(reason or str(error)))


def _innermost(error: BaseException) -> BaseException:
    """The cause that says most: aiohttp wraps socket and TLS errors, sometimes twice."""
    seen = error
    for _ in range(5):
        inner = getattr(seen, "os_error", None) or getattr(seen, "certificate_error", None) or seen.__cause__
        if not isinstance(inner, BaseException) or inner is seen:
            break
        seen = inner
    return seen
