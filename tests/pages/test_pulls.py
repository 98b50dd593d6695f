"""When something was last pulled, where people look for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.registry_process import RegistryProcess
from kubedash.workflows.drive_index import IndexDriver
from tests.support import browsing
from tests.support.events import CONTENT_TYPE, envelope, told
from tests.support.pages import Site

NAME = "shop/app"
LISTS = ("/r/sample", f"/r/sample/{NAME}", f"/r/sample/{NAME}?sort=-last_pulled", f"/r/sample/{NAME}:1.10.0")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with browsing.filled_registry(tmp_path_factory.mktemp("filled")) as process:
        yield process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, registry: RegistryProcess) -> Iterator[Site]:
    with browsing.browsing_site(tmp_path_factory.mktemp("site"), registry) as opened:
        opened.sign_in()
        yield opened


def _pull(site: Site, many: int) -> None:
    now = datetime.now(UTC)
    body = envelope(*(told(number, now, repository=NAME, tag="1.10.0", digest=None) for number in range(many)))
    posted = site.client.post("/plugins/registry/events/sample", content=body, headers={"Content-Type": CONTENT_TYPE})
    assert posted.status_code < 300

    async def work(services: Any) -> None:
        while await IndexDriver(services, "test").step():
            pass

    site.call(work)


def test_pulls_are_shown_as_soon_as_the_registry_tells_of_them_and_not_before(site: Site) -> None:
    for path in LISTS:
        page = site.get_page(path)
        assert "Last pulled" not in page.text
        assert "Pulled" not in page.text
    _pull(site, 3)
    images, tags, sorted_tags, image = map(site.get_page, LISTS)
    assert "Last pulled" in images.text
    assert "none yet" in images.text
    assert "Last pulled" in tags.text
    assert re.search(r"Pulls\s*3\s*in 30 days", tags.text)
    times = [element for element in tags.all("time") if "3 pulls in 7 days, 3 in 30" in (element.get("title") or "")]
    assert len(times) == 1
    first = sorted_tags.text.index("1.10.0")
    assert all(first <= sorted_tags.text.index(tag) for tag in ("1.9.0", "latest") if tag in sorted_tags.text)
    assert "3 times in 7 days, 3 in 30, 3 in 90" in " ".join(image.text.split())
