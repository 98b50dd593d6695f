"""What a registry can do about deleting: found out by trying with what cannot exist, and remembered for a while.

Trying harms nothing: one DELETE of a digest and one of a tag that were made up on the
spot. What they answer tells whether deleting is turned on, and whether a tag can be
deleted by its name.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Capabilities, DeleteAbility, Registry
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import Absent, Denied, Refused, Unauthorized, Unsupported
from kubedash.storage import changes
from kubedash.workflows.services import Services

REMEMBERED: Final = timedelta(hours=6)
"""How long what a registry can do is believed: registries are upgraded."""
DOUBTED: Final = timedelta(seconds=30)
"""How long it is believed that it cannot: somebody is about to change that setting."""
_ABSENT: Final = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN"})
_LASTING: Final = (DeleteAbility.ENABLED, DeleteAbility.DISABLED)


async def abilities_of(
    services: Services, registry: Registry, client: RegistryClient, repository: RepositoryName
) -> Capabilities:
    """What the registry can do, as remembered, or found out now. Raises the registry's error where it does not answer.

    That an account may not delete holds for one repository only, so it is not remembered.
    """
    async with services.database.read() as session:
        known = await changes.capabilities(session, registry.id)
    now = services.clock()
    if known is not None and now - known.probed_at < (REMEMBERED if known.delete is DeleteAbility.ENABLED else DOUBTED):
        return known
    found = await _find_out(services, client, repository)
    if found.delete in _LASTING:
        async with services.database.write() as session:
            await changes.remember_capabilities(session, registry.id, found)
    return found


async def forget_abilities(services: Services, registry: Registry) -> None:
    """The registry did something else than was remembered of it."""
    async with services.database.write() as session:
        await changes.forget_capabilities(session, registry.id)


async def _find_out(services: Services, client: RegistryClient, repository: RepositoryName) -> Capabilities:
    ping = await client.ping()
    delete, detail = await try_deleting(client, repository)
    tag_delete, like = await _try_deleting_tag(client, repository)
    return Capabilities(
        delete=delete,
        tag_delete=tag_delete,
        product=ping.product,
        distribution_like=like and ping.product is None and ping.api_version is not None,
        detail=detail,
        probed_at=services.clock(),
    )


async def try_deleting(client: RegistryClient, repository: RepositoryName) -> tuple[DeleteAbility, str | None]:
    """Whether manifests can be deleted by digest there, and what was answered where they cannot."""
    try:
        await client.delete_manifest(repository, Digest.of(secrets.token_bytes(32)))
    except Unsupported as error:
        return DeleteAbility.DISABLED, error.answered
    except (Denied, Unauthorized) as error:
        return DeleteAbility.DENIED, error.answered
    except (Absent, Refused) as error:
        if error.reply_code in _ABSENT:
            return DeleteAbility.ENABLED, None
        return (DeleteAbility.DISABLED if error.reply_code == "UNSUPPORTED" else DeleteAbility.UNKNOWN), error.answered
    return DeleteAbility.ENABLED, None


async def _try_deleting_tag(client: RegistryClient, repository: RepositoryName) -> tuple[bool | None, bool]:
    """Whether tags are deleted by name (None: not clear), and whether that was refused as distribution 2 does."""
    try:
        await client.delete_manifest(repository, Tag(f"kubedash-probe-{secrets.token_hex(16)}"))
    except (Unsupported, Denied, Unauthorized):
        return False, False
    except (Absent, Refused) as error:
        if error.reply_code in _ABSENT:
            return True, False
        return (False if isinstance(error, Refused) else None), error.reply_code == "DIGEST_INVALID"
    return True, False
