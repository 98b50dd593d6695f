"""The secret that a registry sends with its events: made, shown once, exchanged, taken away."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.event_senders import secret_digest
from kubedash.policy.notification_block import block_to_complete, notification_block, webhook_url
from kubedash.records import CreatedEventSecret, Webhook
from kubedash.storage import audit, event_secrets, events
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services

PREFIX: Final = "kde_"
_SECRET_BYTES: Final = 32


async def show_webhook(services: Services, actor: Actor, registry: str) -> Webhook:
    """Where a registry posts its events, and what came of it. Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.read() as session:
        found = await registry_named(session, registry)
        created = await event_secrets.created_at(session, found.id)
        last = await events.last_received(session, found.name)
    url = _url(services, found.name)
    hook = Webhook(
        registry=found.name,
        url=url,
        has_secret=created is not None,
        secret_created_at=created,
        token_required=bool(services.settings.events_token),
        last_received=last.received_at if last else None,
        last_authenticated=last.authenticated if last else None,
        block="",
    )
    return msgspec.structs.replace(hook, block=block_to_complete(url, hook))


async def make_secret(services: Services, actor: Actor, registry: str) -> CreatedEventSecret:
    """A new secret, which cannot be read again; the one before stops working at once. Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    now = services.clock()
    async with services.database.write() as session:
        found = await registry_named(session, registry)
        await event_secrets.put(session, found.id, secret_digest(secret), now)
        await audit.add(session, actor, "registry.event_secret", found.name, now)
    services.reception.forget()
    url = _url(services, found.name)
    return CreatedEventSecret(registry=found.name, secret=secret, url=url, block=notification_block(url, secret))


async def remove_secret(services: Services, actor: Actor, registry: str) -> None:
    """From now on events of this registry are taken without a secret, and marked so. Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.write() as session:
        found = await registry_named(session, registry)
        if await event_secrets.remove(session, found.id):
            await audit.add(session, actor, "registry.event_secret_remove", found.name, services.clock())
    services.reception.forget()


def _url(services: Services, registry: str) -> str:
    settings = services.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return webhook_url(settings.public_url or f"http://{host}:{settings.port}", settings.base_path, registry)
