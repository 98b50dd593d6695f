"""People, tokens, sessions, failed sign-ins and the audit trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kubedash.errors import Conflict
from kubedash.policy.access import SYSTEM, Actor
from kubedash.policy.throttle import FORGOTTEN_AFTER
from kubedash.records import AuditQuery, Role
from kubedash.storage import audit, people
from kubedash.storage.database import Database
from tests.support.databases import DatabaseAt
from tests.support.summaries import DAY, NOW

HOUR = timedelta(hours=1)


def test_users(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            assert await people.count(session) == 0
            identifier = await people.add(session, "zoe", Role.VIEWER, "hash", NOW)
            await people.add(session, "adam", Role.ADMIN, "other", NOW)
            await people.set_role(session, identifier, Role.MAINTAINER)
            await people.set_disabled(session, identifier, True)
            await people.set_password(session, identifier, "new hash")
            await people.seen(session, identifier, NOW + DAY)
        async with store.read() as session:
            assert [user.name for user in await people.list_all(session)] == ["adam", "zoe"]
            found = await people.credentials(session, "zoe")
            assert found is not None
            assert found.password_hash == "new hash"
            assert (found.user.role, found.user.disabled, found.user.last_seen) == (Role.MAINTAINER, True, NOW + DAY)
            assert await people.by_id(session, identifier) == found.user
            assert await people.find(session, "ZOE") is None
            assert await people.credentials(session, "nobody") is None

    database.run(body)


def test_a_name_is_taken_once(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await people.add(session, "zoe", Role.VIEWER, "hash", NOW)

        async def again() -> None:
            async with store.write() as session:
                await people.add(session, "adam", Role.VIEWER, "hash", NOW)
                await people.add(session, "zoe", Role.ADMIN, "hash", NOW)

        with pytest.raises(Conflict):
            await again()
        async with store.read() as session:
            assert [user.name for user in await people.list_all(session)] == ["zoe"]

    database.run(body)


def test_tokens(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            identifier = await people.add(session, "zoe", Role.ADMIN, "hash", NOW)
            owner = await people.by_id(session, identifier)
            assert owner is not None
            for name, digest in (("first", b"1" * 32), ("second", b"2" * 32)):
                new = people.NewToken(name=name, role=Role.VIEWER, digest=digest, created_at=NOW, expires_at=NOW + DAY)
                made = await people.add_token(session, owner, new)
            await people.token_used(session, made.id, NOW + HOUR)
            assert [token.name for token in await people.tokens_of(session, identifier)] == ["second", "first"]
            found = await people.token_by_digest(session, b"2" * 32)
            assert found is not None
            assert (found.user, found.digest) == (owner, b"2" * 32)
            assert found.token == await people.token(session, made.id)
            assert (found.token.last_used, found.token.expires_at) == (NOW + HOUR, NOW + DAY)
            assert await people.token_by_digest(session, b"3" * 32) is None
            await people.remove_token(session, made.id)
            assert await people.token(session, made.id) is None

    database.run(body)


def test_sessions_expire_and_end(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            zoe = await people.add(session, "zoe", Role.ADMIN, "hash", NOW)
            for key in ("one", "two", "three"):
                await people.save_session(session, key, key.encode(), NOW + HOUR, zoe)
            await people.save_session(session, "nobody's", b"\x00", NOW + DAY)
            await people.save_session(session, "one", b"changed", NOW + HOUR, zoe)
            assert await people.session_data(session, "one", NOW) == b"changed"
            assert await people.session_data(session, "one", NOW + HOUR) is None
            assert await people.update_session(session, "one", b"again", NOW + DAY)
            assert await people.session_data(session, "one", NOW + HOUR) == b"again"
            await people.end_sessions(session, zoe, but="two")
            assert not await people.update_session(session, "one", b"back", NOW + DAY)
            assert await people.session_data(session, "one", NOW) is None
            assert await people.session_data(session, "two", NOW) == b"two"
            assert await people.session_data(session, "nobody's", NOW) == b"\x00"
            await people.forget_expired(session, NOW + HOUR)
            assert await people.session_data(session, "two", NOW) is None
            await people.end_session(session, "nobody's")
            assert await people.session_data(session, "nobody's", NOW) is None

    database.run(body)


def test_failures_count_up_and_are_forgotten(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            assert await people.failures(session, "name:zoe") == (0, None)
            for _ in range(3):
                await people.count_failure(session, "name:zoe", NOW)
            assert await people.failures(session, "name:zoe") == (3, NOW)
            await people.forgive_failure(session, "name:zoe")
            assert await people.failures(session, "name:zoe") == (2, NOW)
            later = NOW + FORGOTTEN_AFTER + HOUR
            await people.count_failure(session, "name:zoe", later)
            assert await people.failures(session, "name:zoe") == (1, later)
            await people.forget_failures(session, "name:zoe")
            assert await people.failures(session, "name:zoe") == (0, None)
            await people.forgive_failure(session, "name:zoe")
            assert await people.failures(session, "name:zoe") == (0, None)

    database.run(body)


def test_audit_shows_the_newest_first_page_by_page(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        stranger = Actor(name="bad\x00name\udcff", role=None, via="session", address="::1")
        async with store.write() as session:
            for number in range(5):
                await audit.add(session, SYSTEM, "user.add", f"u{number}", NOW, detail={"role": Role.ADMIN})
            await audit.add(session, stranger, "sign_in", stranger.name, NOW + DAY, outcome="failed")
        async with store.read() as session:
            page = await audit.page(session, AuditQuery(limit=4))
            assert [entry.target for entry in page.items] == ["badname?", "u4", "u3", "u2"]
            assert (page.items[0].outcome, page.items[0].at, page.items[0].address) == ("failed", NOW + DAY, "::1")
            assert (page.items[1].outcome, page.items[1].detail) == ("done", {"role": "admin"})
            rest = await audit.page(session, AuditQuery(limit=4, cursor=page.next))
            assert [entry.target for entry in rest.items] == ["u1", "u0"]
            assert (await audit.page(session, AuditQuery(limit=4, cursor=rest.previous))).items == page.items

    database.run(body)


def test_audit_answers_what_all_its_filters_ask_for(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        ann = Actor(name="ann", role=Role.ADMIN, via="session", address="::1")
        lines = (
            (ann, "tag.delete", "prod/shop/api:1.0", NOW, "done"),
            (ann, "tag.move", "prod/shop/api:latest", NOW + HOUR, "refused"),
            (SYSTEM, "tagging", "prod/shop_api:1", NOW + 2 * HOUR, "done"),
            (SYSTEM, "tag.delete", "prod/web:1.1", NOW + 3 * HOUR, "done"),
        )
        async with store.write() as session:
            for actor, action, target, at, outcome in lines:
                await audit.add(session, actor, action, target, at, outcome=outcome)

        async def targets(**asked: Any) -> list[str]:
            async with store.read() as session:
                page = await audit.page(session, AuditQuery(**asked))
            return [entry.target.removeprefix("prod/") for entry in page.items]

        assert await targets(actor="ann") == ["shop/api:latest", "shop/api:1.0"]
        assert await targets(actor="an") == []
        assert await targets(action="tag.delete") == ["web:1.1", "shop/api:1.0"]
        assert await targets(action="tag.*") == ["web:1.1", "shop/api:latest", "shop/api:1.0"]
        assert await targets(target="SHOP/api") == ["shop/api:latest", "shop/api:1.0"]
        assert await targets(target="shop_") == ["shop_api:1"]
        assert await targets(target="prod/*:1.?") == ["web:1.1", "shop/api:1.0"]
        assert await targets(outcome="refused") == ["shop/api:latest"]
        assert await targets(since=NOW + HOUR, until=NOW + 3 * HOUR) == ["shop_api:1", "shop/api:latest"]
        assert await targets(actor="ann", action="tag.*", target="latest", outcome="done") == []

    database.run(body)


def test_audit_pages_keep_their_filter(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            for number in range(9):
                await audit.add(session, SYSTEM, "tag.delete" if number % 3 else "tag.move", f"t{number}", NOW)
        seen, cursor = [], None
        async with store.read() as session:
            for _ in range(3):
                page = await audit.page(session, AuditQuery(action="tag.delete", limit=2, cursor=cursor))
                seen.append([entry.target for entry in page.items])
                cursor = page.next
        assert seen == [["t8", "t7"], ["t5", "t4"], ["t2", "t1"]]
        assert cursor is None

    database.run(body)
