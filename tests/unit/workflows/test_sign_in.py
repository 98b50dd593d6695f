"""Signing in, sessions and API tokens, on a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubedash.errors import InvalidInput, NotSignedIn, TooMany
from kubedash.policy.access import Actor
from kubedash.policy.throttle import FREE_ATTEMPTS, FREE_ATTEMPTS_PER_ADDRESS, LONGEST_PAUSE
from kubedash.records import AuditQuery, Role
from kubedash.workflows import audit, people, tokens
from kubedash.workflows.services import Services
from kubedash.workflows.sign_in import actor_of_session, actor_of_token, sign_in
from tests.support.aio import run
from tests.support.services import ADMIN, PASSWORD, Clock, open_house

HERE = "192.0.2.7"


async def fail(services: Services, name: str = "admin", address: str | None = HERE) -> None:
    with pytest.raises(NotSignedIn):
        await sign_in(services, name, "wrong", address)


async def actions(services: Services) -> list[tuple[str, str, str]]:
    page = await audit.open_audit(services, ADMIN, AuditQuery())
    return [(entry.action, entry.target, entry.outcome) for entry in page.items]


def test_the_right_password_opens(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            actor = await sign_in(services, " Admin ", PASSWORD, HERE)
            assert (actor.name, actor.role, actor.via, actor.address) == ("admin", Role.ADMIN, "session", HERE)
            assert ("sign_in", "admin", "done") in await actions(services)
            assert (await people.own_user(services, actor)).last_seen is not None

    run(check())


def test_a_refusal_does_not_say_what_was_wrong(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for name in ("admin", "nobody", "", "\x00", "ADMIN; --\udcff"):
                with pytest.raises(NotSignedIn, match=r"Name or password is wrong\.") as refused:
                    await sign_in(services, name, "not it\x00\udcff", HERE)
                assert "not it" not in refused.value.message
            failed = [target for action, target, outcome in await actions(services) if outcome == "failed"]
            assert failed == ["?", "?", "?", "nobody", "admin"]

    run(check())


def test_failures_of_one_name_cost_growing_pauses(tmp_path: Path) -> None:
    clock = Clock()

    async def check() -> None:
        async with open_house(tmp_path, clock) as services:
            for number in range(FREE_ATTEMPTS):
                await fail(services, address=f"192.0.2.{number}")
            with pytest.raises(TooMany) as refused:
                await sign_in(services, "admin", PASSWORD, "192.0.2.99")
            assert refused.value.retry_after == 1
            clock.turn(seconds=1)
            await fail(services, address="192.0.2.98")
            with pytest.raises(TooMany) as refused:
                await sign_in(services, "admin", PASSWORD, "192.0.2.97")
            assert refused.value.retry_after == 2
            clock.turn(seconds=2)
            await sign_in(services, "admin", PASSWORD, "192.0.2.97")
            await fail(services)
            await sign_in(services, "admin", PASSWORD, HERE)

    run(check())


def test_one_address_cannot_try_many_names(tmp_path: Path) -> None:
    clock = Clock()

    async def check() -> None:
        async with open_house(tmp_path, clock) as services:
            for number in range(FREE_ATTEMPTS_PER_ADDRESS):
                await fail(services, f"user{number}")
            with pytest.raises(TooMany):
                await sign_in(services, "admin", PASSWORD, HERE)
            await sign_in(services, "admin", PASSWORD, "192.0.2.200")
            clock.turn(seconds=LONGEST_PAUSE.total_seconds())
            await sign_in(services, "admin", PASSWORD, HERE)

    run(check())


def test_success_does_not_count_against_an_address(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path, Clock()) as services:
            for _ in range(FREE_ATTEMPTS_PER_ADDRESS + 3):
                await sign_in(services, "admin", PASSWORD, HERE)

    run(check())


def test_a_session_follows_its_user(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            alice, _ = await people.add_user(services, ADMIN, "alice", Role.MAINTAINER, "a fine password")
            assert (await actor_of_session(services, alice.id, HERE)).role is Role.MAINTAINER
            await people.set_role(services, ADMIN, "alice", Role.VIEWER)
            assert (await actor_of_session(services, alice.id, HERE)).role is Role.VIEWER
            await people.set_disabled(services, ADMIN, "alice", True)
            with pytest.raises(NotSignedIn):
                await actor_of_session(services, alice.id, HERE)
            with pytest.raises(NotSignedIn):
                await sign_in(services, "alice", "a fine password", HERE)
            await people.set_disabled(services, ADMIN, "alice", False)
            await sign_in(services, "alice", "a fine password", HERE)
            with pytest.raises(NotSignedIn):
                await actor_of_session(services, 999, HERE)

    run(check())


def test_a_token_speaks_for_its_user_and_no_more(tmp_path: Path) -> None:
    clock = Clock()

    async def check() -> None:
        async with open_house(tmp_path, clock) as services:
            await people.add_user(services, ADMIN, "alice", Role.MAINTAINER, None)
            token, secret = await tokens.create_token(services, ADMIN, "ci", None, 30, user="alice")
            actor = await actor_of_token(services, secret, HERE)
            assert (actor.name, actor.role, actor.via) == ("alice", Role.MAINTAINER, "token")
            await people.set_role(services, ADMIN, "alice", Role.VIEWER)
            assert (await actor_of_token(services, secret, HERE)).role is Role.VIEWER
            await people.set_role(services, ADMIN, "alice", Role.ADMIN)
            assert (await actor_of_token(services, secret, HERE)).role is Role.MAINTAINER
            await people.set_disabled(services, ADMIN, "alice", True)
            with pytest.raises(NotSignedIn, match="disabled"):
                await actor_of_token(services, secret, HERE)
            await people.set_disabled(services, ADMIN, "alice", False)
            clock.turn(days=30)
            with pytest.raises(NotSignedIn, match="expired"):
                await actor_of_token(services, secret, HERE)
            await tokens.revoke_token(services, ADMIN, token.id)
            with pytest.raises(NotSignedIn, match="unknown"):
                await actor_of_token(services, secret, HERE)

    run(check())


def test_no_other_text_is_a_token(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            for text in ("", "kd_", "x" * 100_000, "kd_\x00", "\udcff", "é"):
                with pytest.raises(NotSignedIn):
                    await actor_of_token(services, text, HERE)

    run(check())


def test_the_last_use_is_noted_once_a_minute(tmp_path: Path) -> None:
    clock = Clock()

    async def check() -> None:
        async with open_house(tmp_path, clock) as services:
            _, secret = await tokens.create_token(services, ADMIN, "ci", None, None)
            seen = []
            for _ in range(4):
                await actor_of_token(services, secret, HERE)
                seen.append((await tokens.list_tokens(services, ADMIN))[0].last_used)
                clock.turn(seconds=25)
            assert seen[0] == seen[1] == seen[2]
            assert seen[3] != seen[0]

    run(check())


def test_a_token_is_kept_as_a_hash(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            token, secret = await tokens.create_token(services, ADMIN, "ci", Role.VIEWER, 1)
            assert secret.startswith("kd_")
            assert len(secret) == 46
            assert secret not in repr(token)

    run(check())
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"kd_" not in found
    assert PASSWORD.encode() not in found


def test_a_token_cannot_lift_itself(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_house(tmp_path) as services:
            weak = Actor(name="admin", role=Role.VIEWER, via="token", user_id=1)
            with pytest.raises(InvalidInput) as refused:
                await tokens.create_token(services, weak, "more", Role.ADMIN, None)
            assert "role" in refused.value.fields
            token, _ = await tokens.create_token(services, weak, "same", None, None)
            assert token.role is Role.VIEWER

    run(check())
