"""The audit trail: what was done, found again by filters that are the address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubedash.policy.access import Actor
from kubedash.records import AuditEntry, Role
from kubedash.storage import audit
from kubedash.web.addresses import Urls
from kubedash.web.pages.audit import line_of
from kubedash.workflows import people
from kubedash.workflows.services import Services
from tests.support.pages import ADMIN, HOSTILE, PASSWORD, Site

ANN = Actor(name="ann", role=Role.ADMIN, via="token", address="192.0.2.7")
DAY = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def trail(house: Site) -> Site:
    house.call(_write)
    house.call(people.add_user, ADMIN, "eve", Role.VIEWER, PASSWORD)
    return house


async def _write(services: Services) -> None:
    async with services.database.write() as session:
        detail = {"plan": {"spares": ["latest", "1.9"], "parents": []}, HOSTILE: HOSTILE, "dry_run": False}
        await audit.add(session, ANN, "tag.delete", "prod/shop/api:1.0", DAY, detail=detail)
        await audit.add(session, ANN, "tag.move", HOSTILE, DAY, outcome="refused")
        for number in range(120):
            await audit.add(session, ADMIN, "tag.create", f"prod/web:{number}", DAY)


def test_the_trail_says_who_did_what_from_where(trail: Site, admin: Site) -> None:
    page = admin.get_page("/admin/audit?actor=ann")
    assert page.heading == "Audit trail"
    assert "192.0.2.7" in page.text
    assert "/r/prod/shop/api:1.0" in page.links()
    assert "latest, 1.9" in page.text
    assert "plan: spares" in page.text
    assert "plan: parents" not in page.text
    assert HOSTILE in page.text
    assert "refused" in page.text
    assert "prod/web:1" not in page.text


@pytest.mark.parametrize(
    ("asked", "seen", "unseen"),
    [
        ("action=tag.delete", "shop/api", "prod/web"),
        ("action=tag.*&target=api", "shop/api", "prod/web"),
        ("outcome=refused", "tried to point a tag elsewhere", "shop/api"),
        ("since=2026-03-01&until=2026-03-01&target=shop", "shop/api", "added a user"),
        ("since=2026-03-02&action=user.*", "added a user", "shop/api"),
    ],
)
def test_filters_are_the_address(trail: Site, admin: Site, asked: str, seen: str, unseen: str) -> None:
    rows = admin.get_page(f"/admin/audit?{asked}").find("tbody")
    text = " ".join(rows.itertext())
    assert seen in text
    assert unseen not in text


def test_a_filter_without_a_match_offers_to_clear_it(trail: Site, admin: Site) -> None:
    page = admin.get_page("/admin/audit?actor=nobody")
    assert "No line matches" in page.text
    assert "/admin/audit" in page.links()


def test_pages_of_the_trail_keep_the_filter(trail: Site, admin: Site) -> None:
    first = admin.get_page("/admin/audit?action=tag.create")
    following = first.find("a", rel="next").get("href") or ""
    assert "action=tag.create" in following
    second = admin.get_page(following)
    assert len(second.all("tr")) == 1 + 20
    assert "101–120" in second.text


@pytest.mark.parametrize("asked", ["since=yesterday", "until=2026-13-01", "cursor=x"])
def test_what_cannot_be_read_is_refused(trail: Site, admin: Site, asked: str) -> None:
    admin.get_page(f"/admin/audit?{asked}", status=422)


def test_the_last_day_of_the_calendar_is_a_day(trail: Site, admin: Site) -> None:
    admin.get_page("/admin/audit?until=9999-12-31")


def test_the_trail_is_for_administrators(trail: Site, nobody: Site) -> None:
    nobody.sign_in("eve")
    nobody.get_page("/admin/audit", status=403)
    assert "Audit trail" not in nobody.get_page("/account").text


@pytest.mark.parametrize(
    ("action", "target", "href"),
    [
        ("tag.delete", "prod/shop/api:1.0", "/r/prod/shop/api:1.0"),
        ("tag.restore", f"prod/shop/api@sha256:{'a' * 64}", f"/r/prod/shop/api@sha256:{'a' * 64}"),
        ("repository.delete", "prod/shop/api", "/r/prod/shop/api"),
        ("registry.add", "prod", "/r/prod"),
        ("registry.remove", "prod", None),
        ("tag.delete", "prod/NOT A NAME", None),
        ("user.add", "prod/shop", None),
    ],
)
def test_targets_lead_to_what_is_there(action: str, target: str, href: str | None) -> None:
    assert line_of(_entry(action=action, target=target), Urls()).href == href


def test_an_action_without_words_is_told_as_it_is() -> None:
    line = line_of(_entry(action="tag.paint", outcome="half"), Urls())
    assert (line.words, line.tone) == ("tag.paint", "plain")
    assert line_of(_entry(action="sign_in", outcome="failed"), Urls()).words == "tried to sign in"


def _entry(**changes: Any) -> AuditEntry:
    values = {"action": "tag.delete", "target": "prod/a:1", "outcome": "done", **changes}
    return AuditEntry(id=1, at=DAY, actor="ann", via="cli", address=None, **values)
