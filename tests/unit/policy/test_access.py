"""Who may do what."""

from __future__ import annotations

from itertools import product

import pytest

from kubedash.errors import NotAllowed, NotSignedIn
from kubedash.policy.access import ANONYMOUS, SYSTEM, Actor, Permission, allows, lesser, require
from kubedash.records import Role

VIEWER_MAY = {
    Permission.EVENTS_READ,
    Permission.IMAGES_READ,
    Permission.IMAGES_SYNC,
    Permission.JOBS_READ,
    Permission.METRICS_READ,
    Permission.OWN_ACCOUNT,
    Permission.REGISTRIES_READ,
}


def actor(role: Role | None) -> Actor:
    return Actor(name="alice", role=role, via="session")


@pytest.mark.parametrize("permission", list(Permission))
def test_an_administrator_may_do_everything_and_nobody_nothing(permission: Permission) -> None:
    assert allows(actor(Role.ADMIN), permission)
    assert allows(SYSTEM, permission)
    assert not allows(ANONYMOUS, permission)


@pytest.mark.parametrize("permission", list(Permission))
def test_a_viewer_may_look_and_refresh(permission: Permission) -> None:
    assert allows(actor(Role.VIEWER), permission) == (permission in VIEWER_MAY)


@pytest.mark.parametrize("permission", list(Permission))
def test_each_role_may_all_that_the_next_may(permission: Permission) -> None:
    assert allows(actor(Role.ADMIN), permission) >= allows(actor(Role.MAINTAINER), permission)
    assert allows(actor(Role.MAINTAINER), permission) >= allows(actor(Role.VIEWER), permission)


def test_only_maintainers_see_masked_values() -> None:
    assert allows(actor(Role.MAINTAINER), Permission.IMAGES_REVEAL)
    assert not allows(actor(Role.VIEWER), Permission.IMAGES_REVEAL)


def test_a_refusal_says_whether_signing_in_would_help() -> None:
    with pytest.raises(NotSignedIn, match="signed in"):
        require(ANONYMOUS, Permission.IMAGES_READ)
    with pytest.raises(NotAllowed, match="users:manage"):
        require(actor(Role.VIEWER), Permission.USERS_MANAGE)
    require(actor(Role.ADMIN), Permission.USERS_MANAGE)


@pytest.mark.parametrize(("first", "second"), list(product(Role, Role)))
def test_the_lesser_role_may_no_more_than_either(first: Role, second: Role) -> None:
    weakest = lesser(first, second)
    assert weakest in (first, second)
    for permission in Permission:
        assert allows(actor(weakest), permission) <= allows(actor(first), permission)
        assert allows(actor(weakest), permission) <= allows(actor(second), permission)


def test_permissions_are_named_alike_and_in_order() -> None:
    names = [str(permission) for permission in Permission]
    assert all(name.count(":") == 1 for name in names)
    assert [permission.name for permission in Permission] == sorted(permission.name for permission in Permission)
