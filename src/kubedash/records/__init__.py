"""The frozen records that layers hand each other.

Their field names are those of the REST API (docs/reference/api.md): pages, API and
command line show the same values. Times are aware and in UTC, sizes are bytes,
digests are full. `None` means "not known", never zero or empty.
"""

from kubedash.records.base import Page, Record, encode_json
from kubedash.records.changes import (
    ApiCall,
    Capabilities,
    ChangeOutcome,
    ChangeState,
    DeleteAbility,
    DeletionPlan,
    Orphan,
    RetagPlan,
    Strategy,
    TagHistory,
    TagHistoryEntry,
)
from kubedash.records.images import (
    Attachment,
    Child,
    ConfigView,
    Healthcheck,
    Image,
    LabelView,
    LayerView,
    ManifestRecord,
    TagRow,
)
from kubedash.records.jobs import Job, JobState, Progress
from kubedash.records.people import AuditEntry, CreatedToken, CreatedUser, Role, Token, User
from kubedash.records.queries import AuditQuery, RepositoryQuery, SearchHit, TagQuery
from kubedash.records.registries import (
    Freshness,
    Namespace,
    Registry,
    RegistryConnection,
    RegistrySecrets,
    RegistrySettings,
    RegistryStatus,
    Repository,
    SyncState,
)

__all__ = [
    "ApiCall",
    "Attachment",
    "AuditEntry",
    "AuditQuery",
    "Capabilities",
    "ChangeOutcome",
    "ChangeState",
    "Child",
    "ConfigView",
    "CreatedToken",
    "CreatedUser",
    "DeleteAbility",
    "DeletionPlan",
    "Freshness",
    "Healthcheck",
    "Image",
    "Job",
    "JobState",
    "LabelView",
    "LayerView",
    "ManifestRecord",
    "Namespace",
    "Orphan",
    "Page",
    "Progress",
    "Record",
    "Registry",
    "RegistryConnection",
    "RegistrySecrets",
    "RegistrySettings",
    "RegistryStatus",
    "Repository",
    "RepositoryQuery",
    "RetagPlan",
    "Role",
    "SearchHit",
    "Strategy",
    "SyncState",
    "TagHistory",
    "TagHistoryEntry",
    "TagQuery",
    "TagRow",
    "Token",
    "User",
    "encode_json",
]
