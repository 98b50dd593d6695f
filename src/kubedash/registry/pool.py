"""One client a registry, shared by everybody who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from kubedash.records import RegistryConnection
from kubedash.registry.addresses import AllowList
from kubedash.registry.client import RegistryClient
from kubedash.registry.retries import IMPATIENT, Patience
from kubedash.registry.transport import Transport


class RegistryPool:
    """Makes and keeps clients.

    `concurrency` is the most requests under way at once to one registry, `timeout` the
    seconds until an answer begins, `allowed_addresses` the private hosts and networks
    that realms and redirects may lead to.
    """

    def __init__(self, *, concurrency: int, timeout: float, allowed_addresses: Sequence[str] = ()) -> None:
        self._concurrency = concurrency
        self._timeout = timeout
        self._allowed = AllowList(allowed_addresses)
        self._clients: dict[int, tuple[RegistryConnection, RegistryClient]] = {}

    async def client(self, registry_id: int, connection: RegistryConnection) -> RegistryClient:
        """The registry's client; a new one when the connection has changed.

        The old one ends when its last request has. Raises `InvalidInput` for settings
        that cannot be used.
        """
        kept = self._clients.get(registry_id)
        if kept is not None and kept[0] == connection:
            return kept[1]
        made = self._make(connection, Patience())
        self._clients[registry_id] = (connection, made)
        if kept is not None:
            await kept[1].retire()
        return made

    @asynccontextmanager
    async def temporary(self, connection: RegistryConnection) -> AsyncIterator[RegistryClient]:
        """A client for one occasion, such as a test before saving; it does not retry."""
        made = self._make(connection, IMPATIENT)
        try:
            yield made
        finally:
            await made.close()

    async def forget(self, registry_id: int) -> None:
        """The registry was removed: its client ends when its last request has."""
        kept = self._clients.pop(registry_id, None)
        if kept is not None:
            await kept[1].retire()

    async def close(self) -> None:
        """Ends all connections at once."""
        clients = [client for _, client in self._clients.values()]
        self._clients.clear()
        for client in clients:
            await client.close()

    def _make(self, connection: RegistryConnection, patience: Patience) -> RegistryClient:
        transport = Transport(
            connection,
            concurrency=self._concurrency,
            timeout=self._timeout,
            allowed=self._allowed,
            patience=patience,
        )
        return RegistryClient(transport)
