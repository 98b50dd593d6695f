"""Registries, their repositories, and how old a picture is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record
from kubedash.records.pulls import PullCounts


class RegistryStatus(StrEnum):
    """What the last contact with a registry showed."""

    UNKNOWN = "unknown"
    OK = "ok"
    UNREACHABLE = "unreachable"
    TLS_FAILED = "tls_failed"
    UNAUTHORIZED = "unauthorized"
    DENIED = "denied"
    NOT_A_REGISTRY = "not_a_registry"
    RATE_LIMITED = "rate_limited"
    ERROR = "error"


class SyncState(StrEnum):
    """How current a picture is."""

    NEVER = "never"
    SYNCING = "syncing"
    FRESH = "fresh"
    STALE = "stale"
    FAILED = "failed"


class Freshness(Record, frozen=True, kw_only=True):
    """`as of` for a page: when the picture was taken, and what happened since."""

    state: SyncState
    as_of: datetime | None = None
    failing_since: datetime | None = None
    reason: str | None = None
    """Why the picture is old, in a sentence, where a refresh failed."""
    job_id: str | None = None


class RegistrySettings(Record, frozen=True, kw_only=True):
    """What a person says about a registry; secrets apart."""

    name: str
    """The slug in addresses and references: lower-case letters, digits and dashes."""
    title: str
    url: str
    """Scheme, host, port and path prefix, without `/v2/`."""
    username: str | None = None
    tls_verify: bool = True
    ca_pem: str | None = None
    client_certificate_pem: str | None = None
    proxy: str | None = None
    pull_host: str | None = None
    """The host to show in pull commands, where it differs from that of `url`."""
    repositories: tuple[RepositoryName, ...] = ()
    """Listed by hand, for registries without a catalog."""
    protected_tags: tuple[str, ...] = ()


class RegistrySecrets(Record, frozen=True, kw_only=True):
    """Sealed at rest, never shown, never logged."""

    password: str | None = None
    identity_token: str | None = None
    registry_token: str | None = None
    client_key_pem: str | None = None

    def __repr__(self) -> str:
        return "RegistrySecrets(…)"


class RegistryConnection(Record, frozen=True, kw_only=True):
    """All that a client needs to talk to one registry."""

    settings: RegistrySettings
    secrets: RegistrySecrets = RegistrySecrets()


class Registry(Record, frozen=True, kw_only=True):
    """A configured registry, as everybody may see it."""

    id: int
    name: str
    title: str
    url: str
    username: str | None
    has_password: bool
    tls_verify: bool
    ca_pem: str | None
    client_certificate_pem: str | None
    proxy: str | None
    pull_host: str
    """Never empty: the url's host where none was set."""
    repositories: tuple[RepositoryName, ...]
    protected_tags: tuple[str, ...]
    status: RegistryStatus
    status_detail: str | None
    status_since: datetime | None
    last_synced: datetime | None
    """When a complete, error-free listing last ended."""
    repository_count: int | None
    tag_count: int | None
    size: int | None = None
    """Distinct bytes over all repositories."""
    declared: bool = False
    """Comes from KUBEDASH_REGISTRIES and cannot be edited here."""


class Repository(Record, frozen=True, kw_only=True):
    """One line of an image list."""

    id: int
    registry: str
    name: RepositoryName
    kind: str | None
    tag_count: int | None
    newest_tag: Tag | None
    size: int | None
    pushed_at: datetime | None
    last_pulled: datetime | None = None
    """As far as the registry told us."""
    pulls: PullCounts | None = None
    """None: the registry never told us of a pull."""
    last_synced: datetime | None
    gone_since: datetime | None = None
    """Set when a complete listing no longer had it."""
    sync_error: str | None = None
    failing_since: datetime | None = None


class Namespace(Record, frozen=True, kw_only=True):
    """One folder of the repository tree."""

    path: str
    repository_count: int
    """All repositories below, at any depth."""
