"""Timelines, their charts, files and stream, as a browser without scripts and a program see them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from kubedash.records import RegistrySecrets, RegistrySettings
from kubedash.workflows import registries
from kubedash.workflows.services import Services
from tests.support.events import told
from tests.support.pages import ADMIN, HOSTILE, HtmlPage, Site, open_site
from tests.support.told_events import tell

BLOB: Final = "application/octet-stream"
NOW: Final = datetime.now(UTC)


async def _add(services: Services, name: str) -> None:
    settings = RegistrySettings(name=name, title=name, url=f"http://{name}.invalid")
    await registries.add_registry(services, ADMIN, settings, RegistrySecrets(), test=False)


def _ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


EVENTS: Final = (
    told(1, _ago(3000), action="push", repository="shop/api", tag="1.3", actor="ci"),
    told(2, _ago(50), action="push", repository="shop/api", tag=None, media_type=BLOB, actor="ci"),
    told(3, _ago(50), action="push", repository="shop/api", tag="1.4", actor="ci"),
    told(4, _ago(40), action="pull", method="HEAD", repository="shop/api", tag="1.4", actor="node-1"),
    told(5, _ago(40), action="pull", repository="shop/api", tag=None, actor="node-1"),
    told(6, _ago(30), action="delete", repository="shop/web", tag="old", digest=None, actor="alice"),
    told(7, _ago(20), action="pull", repository="shop/web", tag="2.0", actor=None, useragent="kubedash/1"),
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two registries that told something, and one that did not."""
    with open_site(tmp_path_factory.mktemp("events")) as site:
        for name in ("prod", "edge", "silent", "own"):
            site.call(_add, name)
        site.call(tell, "prod", EVENTS)
        hostile = told(8, _ago(10), action="push", repository="shop/api", tag=HOSTILE, actor=HOSTILE, useragent=HOSTILE)
        site.call(tell, "edge", [hostile], False)
        site.call(
            tell, None, [told(9, _ago(5), action="", repository=None, tag=None, digest=None, actor="=1+1")], False
        )
        site.call(tell, "own", [told(20, _ago(60), action="pull", useragent="kubedash/1", repository="read")])
        site.sign_in()
        yield site


def lines(page: HtmlPage) -> list[str]:
    return [page.text_of(element) for element in page.all("p", **{"class": "event-said"})]


def test_the_timeline_tells_what_happened(full: Site) -> None:
    page = full.get_page("/events?own=all")

    assert page.heading == "Events"
    told_lines = lines(page)
    assert told_lines[0] == (
        "=1+1 sent an event that cannot be read: there is no repository; there is no action "
        "strange not authenticated no known registry"
    )
    assert told_lines[1].startswith(f"{HOSTILE} pushed shop/api:{HOSTILE}")
    assert told_lines[2:] == [
        "somebody pulled shop/web:2.0 KubeDash itself",
        "alice deleted shop/web:old",
        "node-1 pulled shop/api:1.4 1 pull, 2 requests, 1 of them HEAD",
        "ci pushed shop/api:1.4, with 1 layer or config",
        "ci pulled read:1.0 KubeDash itself",
        "ci pushed shop/api:1.3",
    ]
    assert "2 events below are not authenticated" in page.text
    days = [page.text_of(section) for section in page.all("h2") if "day-" in (section.get("id") or "")]
    assert len(days) >= 2


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/r/prod/-/events", 4),
        ("/r/prod/-/events?own=all", 5),
        ("/r/prod/shop/api/-/events", 3),
        ("/r/prod/shop/api/-/events?action=pull", 1),
        ("/events?actor=alice", 1),
        ("/events?repository=shop/api&tag=1.4", 2),
        ("/events?registry=-", 1),
        ("/events?range=24h", 5),
        ("/events?address=192.0.2.1", 0),
        (f"/events?until={(NOW - timedelta(days=5)).date()}", 0),
    ],
)
def test_the_address_is_the_filter(full: Site, path: str, shown: int) -> None:
    assert len(lines(full.get_page(path))) == shown


def test_a_line_unfolds_to_every_field(full: Site) -> None:
    page = full.get_page("/r/prod/-/events")
    (unfold,) = [
        element.get("href") or ""
        for element in page.all("a", **{"class": "event-unfold"})
        if "event-5" in (element.get("href") or "")
    ]
    opened = full.get_page(unfold.partition("#")[0])

    details = opened.text_of(opened.find("div", **{"class": "event-more"}))
    assert "Method HEAD".replace(" ", "") in details.replace(" ", "")
    assert "event-4" in details
    assert "event-5" in details
    assert "docker/27" in details


def test_a_strange_event_is_shown_as_it_came(full: Site) -> None:
    page = full.get_page("/events?registry=-")
    href = page.find("a", **{"class": "event-unfold"}).get("href") or ""

    assert '"action"' in full.get_page(href.partition("#")[0]).text


def test_pages_follow_each_other_by_key(full: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedash.web.pages.events.PAGE_SIZE", 3)
    page = full.get_page("/r/prod/-/events?own=all")
    seen = lines(page)
    assert page.find("div", id="timeline").get("data-stream")
    while page.all("a", rel="next"):
        page = full.get_page(page.find("a", rel="next").get("href") or "")
        # An older page does not move under its reader.
        assert page.find("div", id="timeline").get("data-stream") is None
        seen += lines(page)

    assert sum("shop/api:1.3" in line for line in seen) == 1
    assert seen[0].startswith("somebody pulled")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/r/silent/-/events", "notifications:"),
        ("/r/silent/-/events", "/plugins/registry/events/silent"),
        ("/r/prod/none/such/-/events", "has told nothing about this one so far"),
        ("/r/own/-/events", "all of them tell what KubeDash itself reads"),
        ("/events?actor=nobody-of-that-name", "No event matches"),
    ],
)
def test_emptiness_says_which_one_it_is(full: Site, path: str, words: str) -> None:
    assert words in full.get_page(path).text


@pytest.mark.parametrize(
    "query", ["since=soon", "range=1y", "cursor=abc", "action=" + "x" * 600, "since=0001-01-01T00:00%2B14:00"]
)
def test_an_address_that_cannot_be_read_says_so(full: Site, query: str) -> None:
    answer = full.get(f"/events?{query}", headers={"Accept": "text/html"})

    assert answer.status_code in (200, 422)
    full.read(answer)


@pytest.mark.parametrize("name", ["since", "until"])
def test_time_has_ends(full: Site, name: str) -> None:
    for day in ("0001-01-01", "9999-12-31"):
        for path in ("/events", "/events/charts", "/events/export.json"):
            assert full.get(f"{path}?{name}={day}").status_code == 200, (path, day)


def test_charts_that_only_end_show_the_month_before(full: Site) -> None:
    page = full.get_page("/events/charts?until=2020-03-31")

    assert "Counted from 2020-03-02 00:00:00 UTC to 2020-04-01 00:00:00 UTC" in page.text


def test_figures_are_charts_and_tables(full: Site) -> None:
    page = full.get_page("/events/charts?range=7d")

    assert page.heading == "Events"
    tables = page.all("table", **{"class": "numbers"})
    assert len(tables) == 2
    names = [page.text_of(cell) for cell in tables[0].iter("th")][:5]
    assert names == ["Hour (UTC)", "Pushes", "Pulls", "Deletions", "Mounts"]
    # Two pushes of manifests, the one with a hostile tag, one pull that was no HEAD and not ours, one deletion.
    rows = [list(row.iter("td")) for row in tables[0].iter("tr")]
    sums = [sum(int(page.text_of(cell)) for cell in column) for column in zip(*filter(None, rows), strict=True)]
    assert sums == [3, 1, 1, 0]
    assert "5 more events not counted" in page.text
    assert "parts of a pull that is counted" in page.text
    assert [page.text_of(row) for row in page.all("th", scope="row") if "alice" in page.text_of(row)] == ["alice"]


@pytest.mark.parametrize(
    "path",
    [
        "/r/prod/-/events/charts",
        "/r/prod/shop/api/-/events/charts?range=24h",
        "/events/charts?actor=alice",
        "/r/silent/-/events/charts",
    ],
)
def test_every_place_has_charts(full: Site, path: str) -> None:
    full.get_page(path)


def test_a_repository_has_no_top_lists_and_says_where_they_are(full: Site) -> None:
    page = full.get_page("/r/prod/shop/api/-/events/charts")

    assert "is counted for whole registries" in page.text
    assert "None was named" not in page.text
    assert "/r/prod/-/events/charts" in page.links()


def test_what_the_filter_shows_is_a_file(full: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedash.web.pages.event_files.PAGE_SIZE", 2)
    answer = full.get("/events/export.csv?registry=prod&own=all")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="events-')
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["event_id"] for row in rows] == [f"event-{number}" for number in (7, 6, 5, 4, 3, 2, 1)]
    found: list[dict[str, Any]] = full.get("/events/export.json?registry=prod&action=delete").json()
    assert [entry["event_id"] for entry in found] == ["event-6"]
    everything = full.get("/events/export.csv").text
    assert ",'=1+1," in everything
    assert full.get("/events/export.csv?since=soon").status_code == 422


def test_the_navigation_leads_to_events(full: Site) -> None:
    assert "/events" in full.get_page("/").links()
    assert "/r/prod/-/events" in full.get_page("/r/prod").links()


def test_what_a_removed_registry_told_leads_to_nothing_that_is_gone(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        for name in ("gone", "kept"):
            site.call(_add, name)
        site.call(tell, "gone", EVENTS[:3])
        site.call(tell, "kept", [told(30, _ago(1), action="push", repository="shop/api", tag="1.4")])
        site.sign_in()
        assert "/r/gone/shop/api:1.4" in site.get_page("/events").links()
        site.call(registries.remove_registry, ADMIN, "gone")
        page = site.get_page("/events")
        assert "registry removed" not in lines(page)[0]
        assert [line.endswith("registry removed") for line in lines(page)[1:]] == [True, True]
        assert "/r/kept/shop/api:1.4" in page.links()
        assert "/events?registry=gone" in page.links()
        assert len(lines(site.get_page("/events?registry=gone"))) == 2
        charts = site.get_page("/events/charts")
        assert "gone/shop/api" in charts.text
        for link in [*page.links(), *charts.links()]:
            assert "/r/gone" not in link, link


@pytest.mark.parametrize(
    "path",
    ["/events", "/events/charts", "/events/export.csv", "/-/events", "/r/prod/-/events", "/r/prod/-/settings/events"],
)
def test_nobody_sees_events_without_signing_in(full: Site, path: str) -> None:
    full.client.cookies.clear()
    try:
        assert full.get(path).status_code in (303, 401)
        assert full.get(path, headers={"Accept": "text/html"}).status_code in (303, 401)
    finally:
        full.sign_in()


def test_the_stream_is_for_those_who_may_and_a_look_at_it_ends_at_once(full: Site) -> None:
    answer = full.client.head("/-/events?after=1")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert full.get("/-/events?since=soon", headers={"Accept": "application/json"}).status_code == 422


def test_a_first_visit_to_the_charts_is_light(full: Site) -> None:
    page = full.get_page("/events/charts")
    paths = [element.get("href") or element.get("src") or "" for element in (*page.all("link"), *page.all("script"))]
    sizes = []
    for path in ("/events/charts", *paths):
        with full.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            sizes.append(sum(len(part) for part in answer.iter_raw()))

    assert sum(sizes) < 200_000


def test_everything_lies_below_the_base_path(tmp_path: Path) -> None:
    with open_site(tmp_path, KUBEDASH_BASE_PATH="/kd") as site:
        site.call(_add, "prod")
        site.call(tell, "prod", EVENTS)
        site.sign_in()
        page = site.get_page("/events")
        assert (page.find("div", id="timeline").get("data-stream") or "").startswith("/kd/-/events?")
        assert "/kd/plugins/registry/events/prod" in site.get_page("/r/prod/-/settings/events").text
        site.get_page("/events/charts")
