"""Registries declared in the settings: made or brought up to date at every start."""

from __future__ import annotations

from typing import Any

import msgspec

from kubedash.errors import InvalidInput
from kubedash.policy.registry_settings import normalise
from kubedash.records import RegistrySecrets, RegistrySettings
from kubedash.storage import registries
from kubedash.workflows.connections import seal_secrets
from kubedash.workflows.services import Services


async def declare_registries(services: Services) -> None:
    """Upserts what KUBEDASH_REGISTRIES lists; one that is no longer listed can be edited again.

    Raises `InvalidInput` that names the entry.
    """
    declared = [_parse(position, entry) for position, entry in enumerate(services.settings.registries, start=1)]
    names = {settings.name for settings, _ in declared}
    if len(names) < len(declared):
        raise InvalidInput("setting KUBEDASH_REGISTRIES: two entries have the same name")
    async with services.database.write() as session:
        for settings, secrets in declared:
            sealed = seal_secrets(services, secrets)
            found = await registries.find(session, settings.name)
            if found is None:
                await registries.add(session, settings, sealed, declared=True)
            else:
                await registries.update(session, found.id, settings, sealed)
        await registries.mark_declared(session, sorted(names))


def _parse(position: int, entry: dict[str, Any]) -> tuple[RegistrySettings, RegistrySecrets]:
    where = f"setting KUBEDASH_REGISTRIES, entry {position}"
    known = set(RegistrySettings.__struct_fields__) | set(RegistrySecrets.__struct_fields__)
    unknown = sorted(entry.keys() - known)
    if unknown:
        raise InvalidInput(f"{where}: unknown field {', '.join(unknown)[:200]}", hint="See docs/reference/settings.md.")
    try:
        settings = msgspec.convert({"title": entry.get("name"), **entry}, RegistrySettings, dec_hook=_text_subclass)
        secrets = msgspec.convert(entry, RegistrySecrets)
        return normalise(settings), secrets
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: {error}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", fields=error.fields, hint=error.hint) from error


def _text_subclass(kind: type[Any], value: object) -> Any:
    """Names are checked text; msgspec knows plain text alone."""
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 (msgspec reports a ValueError with its path)
    try:
        return kind.parse(value)
    except InvalidInput as error:
        raise ValueError(error.message) from error
