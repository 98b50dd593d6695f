"""Adding, editing and removing registries. Nothing is saved that did not work, unless asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec.structs import replace

from kubedash.errors import Conflict, InvalidInput, NotAllowed
from kubedash.live import REGISTRIES_TOPIC, registry_topic
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.registry_settings import has_scheme, normalise
from kubedash.records import Record, Registry, RegistrySecrets, RegistrySettings, RegistryStatus
from kubedash.registry.docker_config import parse_docker_config
from kubedash.storage import audit, changes
from kubedash.storage import registries as stored
from kubedash.storage.sealing import SealedOtherwise
from kubedash.workflows.check_registry import CheckFailed, CheckReport, CheckStep, refuse_failed, run_check
from kubedash.workflows.connections import connection_of, seal_secrets
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services

__all__ = [
    "CheckFailed",
    "CheckReport",
    "CheckStep",
    "Login",
    "add_registry",
    "check_registry",
    "check_stored",
    "edit_registry",
    "list_registries",
    "login_of",
    "remove_registry",
    "settings_of",
    "show_registry",
    "stored_secrets",
]


async def list_registries(services: Services, actor: Actor) -> tuple[Registry, ...]:
    """Every registry, by name."""
    access.require(actor, Permission.REGISTRIES_READ)
    async with services.database.read() as session:
        return await stored.list_all(session)


async def show_registry(services: Services, actor: Actor, name: str) -> Registry:
    """Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_READ)
    async with services.database.read() as session:
        return await registry_named(session, name)


async def settings_of(services: Services, actor: Actor, name: str) -> RegistrySettings:
    """What was said about a registry, to be shown in a form or changed in part. Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.read() as session:
        return await stored.settings_of(session, (await registry_named(session, name)).id)


async def add_registry(
    services: Services,
    actor: Actor,
    settings: RegistrySettings,
    secrets: RegistrySecrets,
    *,
    test: bool = True,
) -> Registry:
    """Tests, saves and asks for the first sync.

    Raises `InvalidInput` with `fields`, `Conflict` where the name is taken, and
    `CheckFailed` where the test fails; nothing is saved then.
    """
    access.require(actor, Permission.REGISTRIES_MANAGE)
    wanted = normalise(settings)
    async with services.database.read() as session:
        if await stored.find(session, wanted.name) is not None:
            raise _taken(wanted.name)
    wanted = await _proven(services, wanted, secrets, test=test)
    async with services.database.write() as session:
        if await stored.find(session, wanted.name) is not None:
            raise _taken(wanted.name)
        registry_id = await stored.add(session, wanted, _sealed(services, secrets))
        if test:
            await stored.record_status(session, registry_id, RegistryStatus.OK, None, services.clock())
        await audit.add(session, actor, "registry.add", wanted.name, services.clock(), detail={"url": wanted.url})
        added = await registry_named(session, wanted.name)
    await _changed(services, added)
    return added


async def edit_registry(
    services: Services,
    actor: Actor,
    name: str,
    settings: RegistrySettings,
    secrets: RegistrySecrets | None = None,
    *,
    test: bool = True,
) -> Registry:
    """Replaces the settings of the registry called `name`; `secrets` None keeps those stored.

    Tests and refuses as `add_registry` does. A registry that was declared at start
    cannot be edited here.
    """
    access.require(actor, Permission.REGISTRIES_MANAGE)
    wanted = normalise(settings)
    async with services.database.read() as session:
        before = await registry_named(session, name)
        clash = await stored.find(session, wanted.name) if wanted.name != name else None
    _refuse_declared(before)
    if clash is not None:
        raise _taken(wanted.name)
    used = secrets if secrets is not None else (await connection_of(services, before.id)).secrets
    wanted = await _proven(services, wanted, used, test=test)
    async with services.database.write() as session:
        sealed = None if secrets is None else _sealed(services, secrets)
        await stored.update(session, before.id, wanted, sealed)
        await changes.forget_capabilities(session, before.id)
        if test:
            await stored.record_status(session, before.id, RegistryStatus.OK, None, services.clock())
        detail = {"url": wanted.url, "secrets": "kept" if secrets is None else "replaced"}
        await audit.add(session, actor, "registry.edit", name, services.clock(), detail=detail)
        after = await registry_named(session, wanted.name)
    await services.registries.forget(before.id)
    await _changed(services, after)
    return after


async def remove_registry(services: Services, actor: Actor, name: str) -> None:
    """Forgets the registry and all that the index knows of it; the registry itself is not touched."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.write() as session:
        found = await registry_named(session, name)
        _refuse_declared(found)
        await stored.remove(session, found.id)
        await audit.add(session, actor, "registry.remove", name, services.clock(), detail={"url": found.url})
    await services.registries.forget(found.id)
    services.reception.forget()
    services.live.publish(REGISTRIES_TOPIC, "")
    services.live.publish(registry_topic(name), "")


async def check_registry(
    services: Services, actor: Actor, settings: RegistrySettings, secrets: RegistrySecrets
) -> CheckReport:
    """Tries the connection step by step and saves nothing. Raises `InvalidInput` with `fields`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    return await run_check(services, normalise(settings), secrets)


async def check_stored(services: Services, actor: Actor, name: str) -> CheckReport:
    """The same for a registry as it is stored. Raises `NotFound`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.read() as session:
        found = await registry_named(session, name)
    connection = await connection_of(services, found.id)
    return await run_check(services, connection.settings, connection.secrets)


async def stored_secrets(services: Services, actor: Actor, name: str) -> RegistrySecrets:
    """For a form that keeps some secrets and replaces others; never shown. Raises `NotFound`.

    Empty where they cannot be opened any more, so that they can be entered again.
    """
    access.require(actor, Permission.REGISTRIES_MANAGE)
    async with services.database.read() as session:
        found = await registry_named(session, name)
    try:
        return (await connection_of(services, found.id)).secrets
    except SealedOtherwise:
        return RegistrySecrets()


class Login(Record, frozen=True, kw_only=True):
    """A login that was found in a docker config."""

    username: str | None
    secrets: RegistrySecrets


def login_of(actor: Actor, raw: bytes, url: str) -> Login:
    """The login for the host of `url` in an uploaded docker `config.json`. Raises `InvalidInput` with `fields`."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    host = urlsplit(url if has_scheme(url) else f"//{url}").netloc.lower()
    try:
        config = parse_docker_config(raw)
    except InvalidInput as error:
        raise InvalidInput("The docker config cannot be read.", fields={"docker_config": error.message}) from error
    entry = config.entries.get(host)
    if entry is not None:
        return Login(username=entry.username, secrets=entry.secrets)
    if host in config.needs_helper:
        reason = f"The login for {host} is kept by a credential helper, not in the file. Type it instead."
    else:
        reason = f"It holds no login for {host[:80]}; it has {', '.join(sorted(config.entries)[:5]) or 'none at all'}."
    raise InvalidInput("The docker config does not help here.", fields={"docker_config": reason})


async def _proven(
    services: Services, wanted: RegistrySettings, secrets: RegistrySecrets, *, test: bool
) -> RegistrySettings:
    """The settings with the address that answered; without a test a bare host means https."""
    if not test:
        return replace(wanted, url=wanted.url if "://" in wanted.url else f"https://{wanted.url}")
    report = await run_check(services, wanted, secrets)
    refuse_failed(report)
    return replace(wanted, url=report.url)


def _sealed(services: Services, secrets: RegistrySecrets) -> bytes:
    """Empty where there is nothing to seal: that is how the index knows that there are no secrets."""
    return b"" if secrets == RegistrySecrets() else seal_secrets(services, secrets)


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a registry called {name} already.", hint="Choose another name.")


def _refuse_declared(registry: Registry) -> None:
    if registry.declared:
        raise NotAllowed(
            f"{registry.name} is declared in the configuration and cannot be changed here.",
            hint="Change KUBEDASH_REGISTRIES and restart.",
        )


async def _changed(services: Services, registry: Registry) -> None:
    services.reception.forget()
    services.live.publish(REGISTRIES_TOPIC, "")
    services.live.publish(registry_topic(registry.name), "")
    await services.jobs.sync_registry(registry.name)
