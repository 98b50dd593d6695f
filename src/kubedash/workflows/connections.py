"""From a configured registry to an open client: the one place where secrets are unsealed."""

from __future__ import annotations

from typing import Final

import msgspec

from kubedash.records import RegistryConnection, RegistrySecrets, encode_json
from kubedash.registry.client import RegistryClient
from kubedash.storage import registries
from kubedash.workflows.services import Services

_SECRETS: Final = msgspec.json.Decoder(RegistrySecrets)


def seal_secrets(services: Services, secrets: RegistrySecrets) -> bytes:
    """The secrets as they may be stored; empty where there are none."""
    return b"" if secrets == RegistrySecrets() else services.sealer.seal(encode_json(secrets))


async def connection_of(services: Services, registry_id: int) -> RegistryConnection:
    """What a client needs to talk to the registry. Raises `NotFound`, `Unavailable` where the key is another one."""
    async with services.database.read() as session:
        settings = await registries.settings_of(session, registry_id)
        sealed = await registries.sealed_secrets(session, registry_id)
    secrets = _SECRETS.decode(services.sealer.open(sealed)) if sealed else RegistrySecrets()
    return RegistryConnection(settings=settings, secrets=secrets)


async def client_of(services: Services, registry_id: int) -> RegistryClient:
    """The shared client of the registry, on its current connection."""
    return await services.registries.client(registry_id, await connection_of(services, registry_id))
