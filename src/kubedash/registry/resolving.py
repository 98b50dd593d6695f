"""Name resolution that refuses private addresses, for places a registry sends us to.

Checked at the moment of connecting, so a name cannot point elsewhere after the check.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from kubedash.registry.addresses import Address, AllowList, Origin, is_public, is_site_local, unsafe
from kubedash.registry.errors import UnsafeAddress


class PrivateAddress(OSError):
    """A name led to a private address; `refusal` is the error to show."""

    def __init__(self, refusal: UnsafeAddress) -> None:
        super().__init__("private address")
        self.refusal = refusal


class GuardedResolver(AbstractResolver):
    """Resolves like everybody, then drops private addresses unless they are allowed.

    A registry that is itself inside a private network (`home`) may name its neighbours
    there: it reaches them without our help.
    """

    def __init__(self, allowed: AllowList, home: str) -> None:
        self._allowed = allowed
        self._home = home
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self._allowed.names(host, port):
            return found
        permitted = [result for result in found if self._allowed.permits(_address(result["host"]))]
        if not permitted and await self._home_is_private():
            permitted = [result for result in found if is_site_local(_address(result["host"]))]
        if not permitted:
            raise PrivateAddress(unsafe(Origin("https", host, port), f"address {host}"))
        return permitted

    async def _home_is_private(self) -> bool:
        """Whether all addresses of the registry itself are private."""
        try:
            found = await self._inner.resolve(self._home, 0, socket.AF_UNSPEC)
        except OSError:
            return False
        return all(not is_public(_address(result["host"])) for result in found)

    async def close(self) -> None:
        await self._inner.close()


def _address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])
