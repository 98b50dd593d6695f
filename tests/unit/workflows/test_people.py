"""Users: the first one, and what may be changed by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubedash.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooMany
from kubedash.policy.access import ANONYMOUS, Actor
from kubedash.policy.throttle import FREE_ATTEMPTS
from kubedash.records import AuditQuery, Role
from kubedash.workflows import audit, people, tokens
from kubedash.workflows.sign_in import sign_in
from tests.support.aio import run
from tests.support.services import ADMIN, PASSWORD, open_house

VIEWER = Actor(name="vera", role=Role.VIEWER, via="session", user_id=2)
HERE = "192.0.2.7"


def test_the_first_start_makes_a_password_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def start() -> None:
        async with open_house(tmp_path, KUBEDASH_ADMIN_PASSWORD="") as services:
            assert [user.name for user in await people.list_users(services, ADMIN)] == ["admin"]
            assert await people.first_start(services) is None

    run(start())
    said = capsys.readouterr()
    assert said.out == ""
    password = said.err.strip().rpartition(" ")[2]
    assert len(password) == 20

    async def again() -> None:
        async with open_house(tmp_path) as services:
            assert (await sign_in(services, "admin", password, HERE)).role is Role.ADMIN
            with pytest.raises(NotSignedIn):
                await sign_in(services, "admin", PASSWORD, HERE)

    run(again())
    assert capsys.readouterr().err == ""


def test_users_are_added_with_a_password_given_or_made(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            bob, made = await people.add_user(services, ADMIN, "bob", Role.VIEWER, None)
            assert (bob.name, bob.role, bob.disabled) == ("bob", Role.VIEWER, False)
            assert (await sign_in(services, "bob", made, HERE)).name == "bob"
            _, given = await people.add_user(services, ADMIN, "eve@example.com", Role.ADMIN, "long enough")
            assert given == "long enough"
            with pytest.raises(Conflict):
                await people.add_user(services, ADMIN, "bob", Role.VIEWER, None)
            assert [user.name for user in await people.list_users(services, ADMIN)] == [
                "admin",
                "bob",
                "eve@example.com",
            ]

    run(check())


def test_a_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for name in ("", "Bob", "b b", "-b", "b/b", "b\n", "a" * 65, "<b>", "é"):
                with pytest.raises(InvalidInput) as refused:
                    await people.add_user(services, ADMIN, name, Role.VIEWER, None)
                assert "name" in refused.value.fields

    run(check())


def test_a_password_that_is_too_weak_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for password in ("", "short", "longername", "x" * 1025):
                with pytest.raises(InvalidInput) as refused:
                    await people.add_user(services, ADMIN, "longername", Role.VIEWER, password)
                assert "password" in refused.value.fields

    run(check())


def test_an_administrator_stays(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for change in (people.UserChange(role=Role.VIEWER), people.UserChange(disabled=True)):
                with pytest.raises(Conflict, match="last administrator"):
                    await people.change_user(services, ADMIN, "admin", change)
            await people.add_user(services, ADMIN, "second", Role.ADMIN, None)
            await people.set_disabled(services, ADMIN, "second", True)
            with pytest.raises(Conflict):
                await people.set_role(services, ADMIN, "admin", Role.VIEWER)
            await people.set_disabled(services, ADMIN, "second", False)
            assert (await people.set_role(services, ADMIN, "admin", Role.VIEWER)).role is Role.VIEWER

    run(check())


def test_a_change_is_all_or_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            change = people.UserChange(password="another password", role=Role.VIEWER)
            with pytest.raises(Conflict):
                await people.change_user(services, ADMIN, "admin", change)
            assert (await sign_in(services, "admin", PASSWORD, HERE)).role is Role.ADMIN

    run(check())


def test_the_own_password_needs_the_old_one(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            with pytest.raises(InvalidInput) as refused:
                await people.change_password(services, ADMIN, "wrong", "a new password")
            assert "old_password" in refused.value.fields
            with pytest.raises(InvalidInput):
                await people.change_password(services, ADMIN, PASSWORD, "short")
            await people.change_password(services, ADMIN, PASSWORD, "a new password")
            await sign_in(services, "admin", "a new password", HERE)
            with pytest.raises(NotSignedIn):
                await sign_in(services, "admin", PASSWORD, HERE)

    run(check())


def test_an_open_session_is_no_place_to_guess_the_password(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for _ in range(FREE_ATTEMPTS):
                with pytest.raises(InvalidInput):
                    await people.change_password(services, ADMIN, "wrong", "a new password")
            with pytest.raises(TooMany):
                await people.change_password(services, ADMIN, PASSWORD, "a new password")
            await sign_in(services, "admin", PASSWORD, HERE)

    run(check())


def test_a_reset_makes_a_password_to_hand_over(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            await people.add_user(services, ADMIN, "bob", Role.VIEWER, "bob's password")
            made = await people.reset_password(services, ADMIN, "bob")
            assert (await sign_in(services, "bob", made, HERE)).name == "bob"
            with pytest.raises(NotFound):
                await people.reset_password(services, ADMIN, "nobody")

    run(check())


def test_every_change_is_in_the_audit_trail(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            await people.add_user(services, ADMIN, "bob", Role.VIEWER, "a secret of bob")
            await people.set_role(services, ADMIN, "bob", Role.MAINTAINER)
            await people.set_disabled(services, ADMIN, "bob", True)
            await people.set_disabled(services, ADMIN, "bob", False)
            await people.reset_password(services, ADMIN, "bob", "a secret of bob's")
            await people.change_password(services, ADMIN, PASSWORD, "a secret of admin")
            token, secret = await tokens.create_token(services, ADMIN, "ci", None, None)
            await tokens.revoke_token(services, ADMIN, token.id)
            page = await audit.open_audit(services, ADMIN, AuditQuery())
            assert [entry.action for entry in reversed(page.items)] == [
                "user.add",
                "user.add",
                "user.role",
                "user.disable",
                "user.enable",
                "user.password_reset",
                "user.password",
                "token.create",
                "token.revoke",
            ]
            assert {entry.actor for entry in page.items} == {"admin", "kubedash"}
            assert page.items[6].detail == {"before": "viewer", "after": "maintainer"}
            assert "a secret of" not in repr(page)
            assert secret not in repr(page)

    run(check())


def test_a_viewer_manages_nobody(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            await people.add_user(services, ADMIN, "vera", Role.VIEWER, None)
            mine, _ = await tokens.create_token(services, VIEWER, "mine", None, 7)
            theirs, _ = await tokens.create_token(services, ADMIN, "theirs", None, 7)
            for attempt in (
                people.list_users(services, VIEWER),
                people.show_user(services, VIEWER, "admin"),
                people.add_user(services, VIEWER, "x", Role.VIEWER, None),
                people.set_role(services, VIEWER, "vera", Role.ADMIN),
                people.reset_password(services, VIEWER, "admin"),
                audit.open_audit(services, VIEWER, AuditQuery()),
                tokens.list_tokens(services, VIEWER, "admin"),
                tokens.create_token(services, VIEWER, "x", None, None, user="admin"),
            ):
                with pytest.raises(NotAllowed):
                    await attempt
            with pytest.raises(NotFound):
                await tokens.revoke_token(services, VIEWER, theirs.id)
            assert [token.name for token in await tokens.list_tokens(services, VIEWER)] == ["mine"]
            await tokens.revoke_token(services, VIEWER, mine.id)
            assert await tokens.list_tokens(services, VIEWER) == ()
            with pytest.raises(NotSignedIn):
                await tokens.list_tokens(services, ANONYMOUS)

    run(check())


def test_a_token_needs_a_name_and_sensible_days(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for name, days in (("", 1), ("  ", 1), ("a\nb", 1), ("x" * 101, 1), ("ok", 0), ("ok", 99999)):
                with pytest.raises(InvalidInput):
                    await tokens.create_token(services, ADMIN, name, None, days)

    run(check())


def test_an_unknown_token_is_not_found(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for token_id in (-1, 0, 12345, 2**63, 2**70):
                with pytest.raises(NotFound):
                    await tokens.revoke_token(services, ADMIN, token_id)

    run(check())
