"""Deleting what nobody pulls, from the registry's word to the plan: exactly the tags not pulled since."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from demo import push
from demo.registry_process import RegistryProcess
from kubedash import __version__
from kubedash.storage import event_feed, event_rollups, events
from kubedash.workflows.drive_index import CURSOR, IndexDriver
from kubedash.workflows.services import Services
from tests.support.changing import changing_site, crawl, tags_at
from tests.support.events import CONTENT_TYPE, envelope, told
from tests.support.pages import HtmlPage, Site

NAME = "unused/app"
PLAN = f"/r/sample/{NAME}/-/deletion?not_pulled_days=30"


class Calendar:
    """The time of a house: days pass when they are told to."""

    def __init__(self) -> None:
        self.begun = datetime.now(UTC)
        self.days = 0.0

    def __call__(self) -> datetime:
        return self.begun + timedelta(days=self.days)


class Story:
    """A site whose registry tells what happens to it, over weeks."""

    def __init__(self, site: Site, url: str) -> None:
        self.site = site
        self.url = url
        self.calendar = Calendar()
        self.images: dict[str, str] = {}
        self._number = 0
        site.client.app.state.services = msgspec.structs.replace(site.services, clock=self.calendar)

    def push(self, *names: str) -> None:
        for name in names:
            image = push.push_image(self.url, NAME, name, labels={"tag": name})
            self.images[name] = image.digest

    def tell(self, action: str, tag: str, *, by_digest: bool = False, **fields: Any) -> None:
        """The registry posts it, and it is worked off."""
        self._number += 1
        named = {"tag": None if by_digest else tag, "digest": self.images[tag]}
        event = told(self._number, self.calendar(), action=action, repository=NAME, **named | fields)
        headers = {"Content-Type": CONTENT_TYPE}
        answer = self.site.client.post("/plugins/registry/events/sample", content=envelope(event), headers=headers)
        assert answer.status_code == 200, answer.text
        self.site.call(_work_off)

    def plan(self) -> HtmlPage:
        self.site.client.cookies.clear()
        self.site.sign_in()
        return self.site.get_page(PLAN)


async def _work_off(services: Services) -> None:
    driver = IndexDriver(services, "test")

    async def left() -> int:
        async with services.database.read() as session:
            position, _ = await event_rollups.position(session, CURSOR)
            return len(await event_feed.behind(session, position, await events.last_id(session), 100))

    while await left():
        await driver.step()
    # After a silence the registry is crawled; that happens by another clock, so not beside what comes next.
    while services.jobs.running_crawl("sample"):
        await asyncio.sleep(0.01)


def going(page: HtmlPage) -> list[str]:
    return sorted(page.text_of(cell) for cell in page.all("th", scope="row"))


@pytest.fixture
def story(tmp_path_factory: pytest.TempPathFactory, open_registry: RegistryProcess) -> Iterator[Story]:
    with changing_site(tmp_path_factory.mktemp("site"), open_registry.url) as site:
        yield Story(site, open_registry.url)


def test_the_plan_takes_exactly_the_tags_that_were_not_pulled_since(story: Story) -> None:
    story.push("never", "early", "lately", "by-digest", "looked-at", "read-by-us")
    story.site.call(crawl, NAME)
    # Before anything was told of pulls, nobody can say that a tag was not pulled.
    story.calendar.days = 35
    page = story.plan()
    assert "No tag is chosen by this." in page.text
    assert "6 tags were left out: it is not known whether they were pulled." in page.text
    story.calendar.days = 36
    story.tell("pull", "early")
    story.calendar.days = 60
    story.tell("pull", "lately")
    story.tell("pull", "by-digest", by_digest=True)
    story.tell("pull", "looked-at", method="HEAD")
    story.tell("pull", "read-by-us", useragent=f"kubedash/{__version__}")
    story.push("new")
    story.tell("push", "new")

    # The registry is listened to for 29 days: a pull before that would be known to nobody.
    story.calendar.days = 65
    page = story.plan()
    assert "No tag is chosen by this." in page.text

    story.calendar.days = 70
    page = story.plan()
    assert going(page) == ["early", "looked-at", "never", "read-by-us"]
    assert "1 tag was left out: it is not known whether it was pulled." in page.text
    form = page.find("form", action=PLAN.partition("?")[0])
    assert any(field.get("name") == "confirm" for field in form.iter("input"))

    story.calendar.days = 71
    story.tell("pull", "never")
    assert going(story.plan()) == ["early", "looked-at", "read-by-us"]
    assert tags_at(story.url, NAME) == sorted(story.images)
