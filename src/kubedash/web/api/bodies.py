"""What the API is sent, and how it is read: strictly, with the field's name in each refusal."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistrySecrets, RegistrySettings, Role

_SECRET_FIELDS: Final = ("password", "identity_token", "registry_token", "client_key_pem")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object; a field that is not listed is refused by name."""


class NewRegistry(Body, frozen=True, kw_only=True):
    """A registry to add. Secrets are write-only."""

    name: str
    url: str
    title: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = None
    registry_token: str | None = None
    tls_verify: bool = True
    ca_pem: str | None = None
    client_certificate_pem: str | None = None
    client_key_pem: str | None = None
    proxy: str | None = None
    pull_host: str | None = None
    repositories: tuple[str, ...] = ()
    protected_tags: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"NewRegistry(name={self.name!r}, …)"


class RegistryChange(Body, frozen=True, kw_only=True):
    """What to change of a registry: a field that is left out stays, null empties it."""

    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    username: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    identity_token: str | UnsetType | None = UNSET
    registry_token: str | UnsetType | None = UNSET
    tls_verify: bool | UnsetType = UNSET
    ca_pem: str | UnsetType | None = UNSET
    client_certificate_pem: str | UnsetType | None = UNSET
    client_key_pem: str | UnsetType | None = UNSET
    proxy: str | UnsetType | None = UNSET
    pull_host: str | UnsetType | None = UNSET
    repositories: tuple[str, ...] | UnsetType = UNSET
    protected_tags: tuple[str, ...] | UnsetType = UNSET

    def __repr__(self) -> str:
        return "RegistryChange(…)"

    @property
    def touches_secrets(self) -> bool:
        return any(getattr(self, field) is not UNSET for field in _SECRET_FIELDS)


class NewTag(Body, frozen=True, kw_only=True):
    """A tag to point at something of the same repository."""

    repository: str
    tag: str
    source: str
    """A tag or a digest."""
    expected: str | None = None
    """The digest that the tag leads to, or `absent`: where it is otherwise, nothing is done."""


class RestoredTag(Body, frozen=True, kw_only=True):
    """A tag to give back what it pointed to."""

    repository: str
    tag: str
    digest: str | None = None
    """One that it pointed to once; left out: the last one."""
    expected: str | None = None
    """As of a new tag."""


class NewUser(Body, frozen=True, kw_only=True):
    name: str
    role: Role = Role.VIEWER
    password: str | None = None
    """Left out: one is generated and answered once."""

    def __repr__(self) -> str:
        return f"NewUser(name={self.name!r}, …)"


class UserChange(Body, frozen=True, kw_only=True):
    """What to change of a user: what is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None
    """A new one, set by an administrator; ends the user's sessions."""

    def __repr__(self) -> str:
        return "UserChange(…)"


class NewToken(Body, frozen=True, kw_only=True):
    name: str
    role: Role | None = None
    """No more than this; left out: what its user may."""
    days: int | None = None
    """Until it expires; left out: it does not."""
    user: str | None = None
    """Another user, for an administrator."""


def settings_from(body: NewRegistry) -> RegistrySettings:
    """The settings half of a new registry, not yet checked."""
    return RegistrySettings(
        name=body.name,
        title=body.title or "",
        url=body.url,
        username=body.username,
        tls_verify=body.tls_verify,
        ca_pem=body.ca_pem,
        client_certificate_pem=body.client_certificate_pem,
        proxy=body.proxy,
        pull_host=body.pull_host,
        repositories=tuple(RepositoryName(name) for name in body.repositories),
        protected_tags=body.protected_tags,
    )


def secrets_from(body: NewRegistry) -> RegistrySecrets:
    """The secret half."""
    return RegistrySecrets(**{field: getattr(body, field) for field in _SECRET_FIELDS})


def changed_settings(before: RegistrySettings, change: RegistryChange) -> RegistrySettings:
    """The settings with what the change says, not yet checked."""
    given = {key: value for key, value in asdict(change).items() if value is not UNSET and key not in _SECRET_FIELDS}
    if "title" in given:
        given["title"] = given["title"] or ""
    if "repositories" in given:
        given["repositories"] = tuple(RepositoryName(name) for name in given["repositories"])
    return replace(before, **given)


def changed_secrets(before: RegistrySecrets, change: RegistryChange) -> RegistrySecrets:
    """The secrets with what the change says: left out stays, null removes."""
    given = {field: getattr(change, field) for field in _SECRET_FIELDS}
    return replace(before, **{field: value or None for field, value in given.items() if value is not UNSET})
