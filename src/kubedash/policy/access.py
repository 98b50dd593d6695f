"""Who may do what. Every workflow asks in its first line."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from kubedash.errors import NotAllowed, NotSignedIn
from kubedash.records import Role


class Permission(StrEnum):
    """`scope:action`, kept in alphabetical order."""

    AUDIT_READ = "audit:read"
    EVENTS_FORWARD = "events:forward"
    """Say who else is told of events; the address may lead anywhere."""
    EVENTS_READ = "events:read"
    """See who pushed, pulled and deleted what, and from where."""
    IMAGES_READ = "images:read"
    IMAGES_REVEAL = "images:reveal"
    """See values of an image's environment that look secret."""
    IMAGES_SYNC = "images:sync"
    JOBS_READ = "jobs:read"
    METRICS_READ = "metrics:read"
    """Figures of the house; a viewer's token is enough for Prometheus."""
    OWN_ACCOUNT = "account:own"
    REGISTRIES_MANAGE = "registries:manage"
    REGISTRIES_READ = "registries:read"
    TAGS_DELETE = "tags:delete"
    """Needs DELETE_IMAGES as well: see `require_deletion`."""
    TAGS_WRITE = "tags:write"
    """Add, move and restore tags, and copy images to other places."""
    USERS_MANAGE = "users:manage"


_VIEWER: Final = frozenset(
    {
        Permission.EVENTS_READ,
        Permission.IMAGES_READ,
        Permission.IMAGES_SYNC,
        Permission.JOBS_READ,
        Permission.METRICS_READ,
        Permission.OWN_ACCOUNT,
        Permission.REGISTRIES_READ,
    }
)
_MAINTAINER: Final = _VIEWER | {Permission.IMAGES_REVEAL, Permission.TAGS_DELETE, Permission.TAGS_WRITE}
_ADMIN: Final = frozenset(Permission)
_GRANTS: Final = {Role.VIEWER: _VIEWER, Role.MAINTAINER: _MAINTAINER, Role.ADMIN: _ADMIN}
_RANK: Final = (Role.VIEWER, Role.MAINTAINER, Role.ADMIN)


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, by which door and from where."""

    name: str
    role: Role | None
    """None: nobody is signed in."""
    via: str
    """`session`, `token`, `cli` or `system`."""
    user_id: int | None = None
    address: str | None = None


ANONYMOUS: Final = Actor(name="anonymous", role=None, via="session")
SYSTEM: Final = Actor(name="kubedash", role=Role.ADMIN, via="system")


def allows(actor: Actor, permission: Permission) -> bool:
    return actor.role is not None and permission in _GRANTS[actor.role]


def require(actor: Actor, permission: Permission) -> None:
    """Raises `NotSignedIn` or `NotAllowed`."""
    if actor.role is None:
        raise NotSignedIn("This needs somebody who is signed in.", hint="Sign in, or send an API token.")
    if not allows(actor, permission):
        raise NotAllowed(
            f"{actor.name} ({actor.role}) may not do this: it needs the permission {permission}.",
            hint="Ask an administrator for another role.",
        )


def may_delete(actor: Actor, delete_images: bool) -> bool:
    """Whether deleting is offered at all: the setting DELETE_IMAGES and the role both say so."""
    return delete_images and allows(actor, Permission.TAGS_DELETE)


def require_deletion(actor: Actor, delete_images: bool) -> None:
    """Raises `NotSignedIn` or `NotAllowed`: for the role, or because DELETE_IMAGES is off for everybody."""
    require(actor, Permission.TAGS_DELETE)
    if not delete_images:
        raise NotAllowed(
            "Nothing can be deleted here: the setting DELETE_IMAGES is off.",
            hint="Whoever runs this server can start it with DELETE_IMAGES=true.",
        )


def lesser(first: Role, second: Role) -> Role:
    """The weaker of two roles: a token never lifts its user."""
    return min(first, second, key=_RANK.index)
