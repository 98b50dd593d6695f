"""Deleting many tags from the pages: chosen rows or rules, one plan, the job; and every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo import push
from demo.plant import Planter
from demo.registry_process import RegistryProcess
from kubedash.records import Job, JobState
from kubedash.web.pages import jobs
from kubedash.workflows import sync
from kubedash.workflows.services import Services
from tests.support.changing import EVE, add, changing_site, crawl, hidden, tags_at
from tests.support.pages import ADMIN, HtmlPage, Site

MANY = 60


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, open_registry: RegistryProcess) -> Iterator[Site]:
    with changing_site(tmp_path_factory.mktemp("site"), open_registry.url) as site:
        site.call(add, "guarded", open_registry.url, ("v*",))
        yield site


def test_the_filter_and_the_rules_mean_the_same_tags(site: Site, url: str) -> None:
    for number, name in enumerate(("rc-1", "RC-1", "Rc-2", "x-rc-1")):
        push.push_image(url, "bulk/case", name, labels={"n": str(number)})
    site.call(crawl, "bulk/case")
    place = "/r/sample/bulk/case"
    assert "upper and lower case are different" in site.get_page(f"{place}/-/deletion").text
    for asked in ("rc", "RC", "rc-*", "?c-?"):
        listing = site.get_page(f"{place}?q={asked}")
        listed = sorted(field.get("value") or "" for field in listing.all("input", name="tag"))
        (rules,) = {link for link in listing.links() if "/-/deletion?patterns=" in link}
        plan = site.get_page(rules)
        assert sorted(plan.text_of(cell) for cell in plan.all("th", scope="row")) == listed, asked
    assert "Upper and lower case are different here" in site.get_page(f"{place}?q=RC-9").text
    assert "Upper and lower case" not in site.get_page(f"{place}?q=9.*").text


def test_a_plan_names_its_rules_and_leads_back_to_them(site: Site, url: str) -> None:
    several(url, "bulk/rules")
    site.call(crawl, "bulk/rules")
    place = "/r/sample/bulk/rules/-/deletion"
    for pattern, chosen in (("n-*", True), ("N-*", False)):
        plan = site.get_page(f"{place}?patterns={pattern}+x&keep_newest=1")
        assert f"names {pattern} x" in plan.text
        assert "but the newest 1" in plan.text
        assert ("upper and lower case are different" in plan.text) is not chosen
        (back,) = (link for link in plan.links() if "change=true" in link)
        form = site.get_page(back)
        assert form.find("input", name="patterns").get("value") == f"{pattern} x"
        assert form.find("input", name="keep_newest").get("value") == "1"
        assert "Go, in this order" not in form.text


def several(url: str, repository: str) -> None:
    """`n-1` to `n-4`, the last two of one image; `stable` shares the first one's."""
    for number in (1, 2, 3):
        image = push.push_image(url, repository, f"n-{number}", labels={"of": repository, "n": str(number)})
        if number == 1:
            push.push(url, repository, "stable", image)
    push.push(url, repository, "n-4", image)


async def _ended(services: Services, job_id: str) -> Job:
    job = await sync.job(services, ADMIN, job_id)
    while not job.state.has_ended:
        await asyncio.sleep(0.02)
        job = await sync.job(services, ADMIN, job_id)
    return job


def sent(page: HtmlPage, action: str) -> dict[str, object]:
    """What the form sends by itself; names that come again are lists."""
    tags = [
        field.get("value") for field in page.find("form", action=action).iter("input") if field.get("name") == "tag"
    ]
    return {**hidden(page, action), **({"tag": tags} if tags else {})}


def test_chosen_rows_are_planned_deleted_and_told(site: Site, url: str) -> None:
    several(url, "bulk/rows")
    site.call(crawl, "bulk/rows")
    place = "/r/sample/bulk/rows"
    listing = site.get_page(place)
    button = listing.find("button", formaction=f"{place}/-/deletion")
    assert button.get("class") == "btn btn-danger"
    page = site.get_page(f"{place}/-/deletion?tag=n-1&tag=n-2&tag=n-2")
    assert page.heading == "Delete tags of bulk/rows"
    facts = page.find("dl", **{"class": "facts"})
    assert "2 tags" in page.text_of(facts)
    assert "stable" in page.text
    assert page.find("a", autofocus="").get("href") == place
    wrong = site.read(site.post(page, f"{place}/-/deletion", {**sent(page, f"{place}/-/deletion"), "confirm": "rows"}))
    assert wrong.answer.status_code == 422
    assert tags_at(url, "bulk/rows") == ["n-1", "n-2", "n-3", "n-4", "stable"]

    form = {**sent(wrong, f"{place}/-/deletion"), "confirm": "bulk/rows"}
    begun = site.post(wrong, f"{place}/-/deletion", form)
    job = site.call(_ended, begun.headers["location"].rpartition("/")[2])
    assert job.state is JobState.DONE, job.error
    assert tags_at(url, "bulk/rows") == ["n-3", "n-4", "stable"]
    told = site.get_page(begun.headers["location"])
    assert told.heading == "Deletion of tags of sample/bulk/rows"
    assert f"{place}:n-1/-/history" in told.links()
    trail = site.get_page("/admin/audit?action=tag.delete&target=bulk/rows")
    assert len(trail.all("tr")) == 1 + 2


def test_a_page_of_a_job_lists_few_pieces_at_once(site: Site, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the job is at work, it is drawn again and again."""
    several(url, "pages/pieces")
    site.call(crawl, "pages/pieces")
    place = "/r/sample/pages/pieces/-/deletion"
    page = site.get_page(f"{place}?patterns=n-*")
    begun = site.post(page, place, {**sent(page, place), "confirm": "pages/pieces"})
    address = begun.headers["location"]
    site.call(_ended, address.rpartition("/")[2])
    monkeypatch.setattr(jobs, "PIECES", 3)
    first = site.get_page(address)
    assert len(first.all("tr", **{"data-row": ""})) == 3
    following = first.find("a", rel="next").get("href")
    assert following is not None
    assert len(site.get_page(following).all("tr", **{"data-row": ""})) == 1


def test_rules_choose_and_spare(site: Site, url: str) -> None:
    several(url, "bulk/rules")
    place = "/r/sample/bulk/rules/-/deletion"
    form = site.get_page(place)
    assert form.find("form", action=place).get("method") == "get"
    page = site.get_page(f"{place}?patterns=n-*&keep_newest=0")
    assert "4 tags" in page.text
    begun = site.post(page, place, {**sent(page, place), "confirm": "bulk/rules"})
    site.call(_ended, begun.headers["location"].rpartition("/")[2])
    assert tags_at(url, "bulk/rules") == ["stable"]


def test_a_filter_of_the_tag_list_leads_to_its_plan(site: Site, url: str) -> None:
    several(url, "bulk/filter")
    site.call(crawl, "bulk/filter")
    links = site.get_page("/r/sample/bulk/filter?q=n-").links()
    assert "/r/sample/bulk/filter/-/deletion?patterns=%2An-%2A" in links


def test_a_plan_that_is_not_what_was_shown_any_more_does_nothing(site: Site, url: str) -> None:
    several(url, "pages/bulk-moved")
    place = "/r/sample/pages/bulk-moved/-/deletion"
    page = site.get_page(f"{place}?patterns=n-*")
    push.push_image(url, "pages/bulk-moved", "n-5", labels={"n": "5"})
    answer = site.read(site.post(page, place, {**sent(page, place), "confirm": "pages/bulk-moved"}))
    assert answer.answer.status_code == 409
    assert "Nothing was done" in answer.text
    assert "5 tags" in answer.text
    assert len(tags_at(url, "pages/bulk-moved")) == 6


def test_what_cannot_go_is_listed_with_its_reason(site: Site, url: str) -> None:
    several(url, "bulk/guarded")
    push.push_image(url, "bulk/guarded", "v1", labels={"n": "v1"})
    place = "/r/guarded/bulk/guarded/-/deletion"
    page = site.get_page(f"{place}?patterns=n-2+v1")
    assert "protected by the pattern v*" in page.text
    assert "Cannot go" in page.text
    begun = site.post(page, place, {**sent(page, place), "confirm": "bulk/guarded"})
    site.call(_ended, begun.headers["location"].rpartition("/")[2])
    assert tags_at(url, "bulk/guarded") == ["n-1", "n-3", "n-4", "stable", "v1"]
    alone = site.get_page(f"{place}?tag=v1")
    assert "Nothing of this can be deleted" in alone.text
    assert not alone.all("input", name="confirm")


@pytest.mark.parametrize(
    ("asked", "field"), [("older_than_days=x", "older_than_days"), ("keep_newest=-1", "keep_newest"), ("tag=a+b", None)]
)
def test_rules_that_cannot_be_read_are_said_beside_the_field(
    site: Site, url: str, asked: str, field: str | None
) -> None:
    several(url, "bulk/unread")
    page = site.get_page(f"/r/sample/bulk/unread/-/deletion?{asked}", status=422)
    assert page.all("div", role="alert")
    if field:
        assert page.find("p", id=f"{field}-error") is not None


def test_nobody_else_deletes_many(opened: Site, url: str) -> None:
    several(url, "bulk/viewer")
    opened.client.cookies.clear()
    opened.sign_in("eve", EVE)
    opened.call(crawl, "bulk/viewer")
    place = "/r/sample/bulk/viewer"
    page = opened.get_page(place)
    assert "Delete…" not in page.text
    assert "Delete tags by rule…" not in page.text
    opened.get_page(f"{place}/-/deletion", status=403)
    opened.get_page(f"{place}/-/deletion?tag=n-1", status=403)
    forced = {"_csrf_token": page.csrf, "tag": "n-1", "expected": "x", "confirm": "bulk/viewer"}
    assert opened.client.post(f"{place}/-/deletion", data=forced).status_code == 403
    opened.client.cookies.clear()
    opened.sign_in()
    without = {"tag": "n-1", "expected": "x", "confirm": "bulk/viewer"}
    assert opened.client.post(f"{place}/-/deletion", data=without).status_code == 403
    assert len(tags_at(url, "bulk/viewer")) == 5


def test_nobody_deletes_many_where_the_setting_is_off(tmp_path_factory: pytest.TempPathFactory, url: str) -> None:
    several(url, "bulk/off")
    with changing_site(tmp_path_factory.mktemp("off"), url, DELETE_IMAGES="false") as site:
        site.sign_in()
        site.call(crawl, "bulk/off")
        page = site.get_page("/r/sample/bulk/off")
        assert "Delete…" not in page.text
        assert "DELETE_IMAGES=true" in site.get_page("/r/sample/bulk/off/-/deletion?tag=n-1", status=403).text
        forced = {"_csrf_token": page.csrf, "tag": "n-1", "expected": "x", "confirm": "bulk/off"}
        assert site.client.post("/r/sample/bulk/off/-/deletion", data=forced).status_code == 403
    assert len(tags_at(url, "bulk/off")) == 5


def test_a_job_is_paused_goes_on_and_can_be_stopped_for_good(site: Site, open_registry: RegistryProcess) -> None:
    planter = Planter(open_registry.storage)
    for number in range(MANY):
        planter.plant("bulk/paused", f"n-{number}", push.make_image(labels={"n": str(number)}))
    place = "/r/sample/bulk/paused/-/deletion"
    plan = site.get_page(f"{place}?patterns=n-*")
    begun = site.post(plan, place, {**sent(plan, place), "confirm": "bulk/paused"}).headers["location"]
    job_id = begun.rpartition("/")[2]
    running = site.get_page(begun)
    assert site.post(running, f"{begun}/pause").headers["location"] == begun
    paused = site.get_page(begun)
    assert "paused" in paused.text
    assert site.post(paused, f"{begun}/resumption").headers["location"] == begun
    going = site.get_page(begun)
    site.post(going, f"{begun}/cancellation")
    job = site.call(_ended, job_id)
    assert job.state is JobState.CANCELLED
    stopped = site.get_page(begun)
    assert "Not tried" in stopped.text
    assert not stopped.all("form", action=f"{begun}/cancellation")
    left = tags_at(open_registry.url, "bulk/paused")
    assert 0 < len(left) <= MANY
