"""Copying from the pages: where to, the plan, the confirmation, the job; and every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.records import Job, JobState
from kubedash.workflows import copy, sync
from kubedash.workflows.copy import CopyRequest
from kubedash.workflows.services import Services
from tests.support.changing import EVE, add, changing_site, digest_at, hidden, tags_at
from tests.support.pages import ADMIN, Site


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, open_registry: RegistryProcess) -> Iterator[Site]:
    """The registry is there twice, so that a copy can go to another one."""
    with changing_site(tmp_path_factory.mktemp("site"), open_registry.url, DELETE_IMAGES="false") as site:
        site.call(add, "other", open_registry.url, ("v*",))
        yield site


def asked(place: str, repository: str, tag: str, registry: str = "other", attachments: str = "yes") -> str:
    return f"{place}?registry={registry}&repository={repository}&tag={tag}&attachments={attachments}"


async def _ended(services: Services, job_id: str) -> Job:
    job = await sync.job(services, ADMIN, job_id)
    while not job.state.has_ended:
        await asyncio.sleep(0.02)
        job = await sync.job(services, ADMIN, job_id)
    return job


def test_a_copy_is_planned_confirmed_and_followed(site: Site, url: str) -> None:
    image = push.push_image(url, "copy/from", "1.0", labels={"n": "from"})
    page = site.get_page("/r/sample/copy/from:1.0")
    place = "/r/sample/copy/from:1.0/-/copy"
    assert place in page.links()
    form = site.get_page(place)
    assert form.find("input", name="repository").get("value") == "copy/from"
    plan = site.get_page(asked(place, "copy/to", "2.0"))
    assert plan.heading == "Copy copy/from:1.0"
    for shown in ("other/copy/to:2.0", image.digest, "the tag is new there", "Over the wire"):
        assert shown in plan.text, shown
    assert digest_at(url, "copy/to", "2.0") is None

    begun = site.post(plan, place, hidden(plan, place))
    job_place = begun.headers["location"]
    job = site.call(_ended, job_place.rpartition("/")[2])
    assert job.state is JobState.DONE, job.error
    assert digest_at(url, "copy/to", "2.0") == image.digest
    page = site.get_page(job_place)
    assert page.heading == "Copy to other/copy/to"
    for shown in ("done", "Asked by", "admin", image.digest, "1 manifest"):
        assert shown in page.text, shown
    assert "/r/other/copy/to:2.0" in page.links()
    assert job_place in site.get_page("/jobs").links()
    assert "Pieces" in site.get_page(f"{job_place}?state=done").text
    assert "No piece is in this state" in site.get_page(f"{job_place}?state=failed").text


def test_overwriting_wants_the_name_and_what_was_seen(site: Site, url: str) -> None:
    image = push.push_image(url, "copy/new", "1.0", labels={"n": "new"})
    before = push.push_image(url, "copy/taken", "1.0", labels={"n": "taken"})
    place = "/r/sample/copy/new:1.0/-/copy"
    plan = site.get_page(asked(place, "copy/taken", "1.0"))
    assert before.digest in plan.text
    assert "will be overwritten" in plan.text
    sent = hidden(plan, place)
    assert sent["expected"] == before.digest
    wrong = site.read(site.post(plan, place, {**sent, "confirm": "2.0"}))
    assert wrong.answer.status_code == 422
    after = push.push_image(url, "copy/taken", "1.0", labels={"n": "pushed meanwhile"})
    moved = site.read(site.post(plan, place, {**sent, "confirm": "1.0"}))
    assert moved.answer.status_code == 409
    assert before.digest in moved.text
    assert after.digest in moved.text
    assert "Nothing was copied" in moved.text
    begun = site.post(moved, place, {**hidden(moved, place), "confirm": "1.0"})
    site.call(_ended, begun.headers["location"].rpartition("/")[2])
    assert digest_at(url, "copy/taken", "1.0") == image.digest


def test_attachments_may_be_left_behind(site: Site, url: str) -> None:
    image = push.push_image(url, "copy/signed", "1.0", labels={"n": "signed"})
    payload = ("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
    signature = push.make_artifact([payload], config=(push.OCI_CONFIG, b"{}"))
    push.push(url, "copy/signed", f"{image.digest.replace(':', '-')}.sig", signature)
    place = "/r/sample/copy/signed:1.0/-/copy"
    assert "Cosign signature" in site.get_page(asked(place, "copy/along", "1.0")).text
    plan = site.get_page(asked(place, "copy/alone", "1.0", attachments="no"))
    assert "Cosign signature" not in plan.text
    begun = site.post(plan, place, hidden(plan, place))
    site.call(_ended, begun.headers["location"].rpartition("/")[2])
    assert tags_at(url, "copy/alone") == ["1.0"]


def test_a_protected_tag_is_not_overwritten(site: Site, url: str) -> None:
    push.push_image(url, "copy/new", "1.0", labels={"n": "new"})
    kept = push.push_image(url, "copy/guarded", "v1", labels={"n": "guarded"})
    place = "/r/sample/copy/new:1.0/-/copy"
    page = site.get_page(asked(place, "copy/guarded", "v1"))
    assert "This cannot be copied." in page.text
    assert "protected by the pattern v*" in page.text
    forced = {"registry": "other", "repository": "copy/guarded", "tag": "v1", "expected": kept.digest, "confirm": "v1"}
    answer = site.client.post(place, data={"_csrf_token": page.csrf, **forced})
    assert answer.status_code == 409
    assert digest_at(url, "copy/guarded", "v1") == kept.digest


@pytest.mark.parametrize(
    ("registry", "repository", "tag", "field", "status"),
    [
        ("other", "UPPER", "1.0", "repository", 422),
        ("other", "copy/to", "not a tag", "tag", 422),
        ("nowhere", "copy/to", "1.0", "registry", 404),
        ("sample", "copy/new", "1.0", "tag", 422),
    ],
)
def test_what_is_no_place_is_said_beside_the_field(
    site: Site, url: str, registry: str, repository: str, tag: str, field: str, status: int
) -> None:
    push.push_image(url, "copy/new", "1.0", labels={"n": "new"})
    page = site.get_page(asked("/r/sample/copy/new:1.0/-/copy", repository, tag, registry), status=status)
    assert page.find("p", id=f"{field}-error") is not None


def test_a_viewer_copies_nothing_and_stops_nothing(opened: Site, url: str) -> None:
    push.push_image(url, "copy/new", "1.0", labels={"n": "new"})
    request = CopyRequest(
        source_registry="sample",
        source=Reference(RepositoryName("copy/new"), tag=Tag("1.0")),
        registry="other",
        repository=RepositoryName("copy/by-admin"),
        tag=Tag("1.0"),
    )
    job = opened.call(copy.execute, ADMIN, request)
    opened.client.cookies.clear()
    opened.sign_in("eve", EVE)
    page = opened.get_page("/r/sample/copy/new:1.0")
    place = "/r/sample/copy/new:1.0/-/copy"
    assert place not in page.links()
    opened.get_page(place, status=403)
    opened.get_page(asked(place, "copy/by-viewer", "1.0"), status=403)
    form = {"_csrf_token": page.csrf, "registry": "other", "repository": "copy/by-viewer", "tag": "1.0"}
    assert opened.client.post(place, data=form).status_code == 403
    assert "Stop for good" not in opened.get_page(f"/jobs/{job.id}").text
    for verb in ("pause", "resumption", "cancellation"):
        answer = opened.client.post(f"/jobs/{job.id}/{verb}", data={"_csrf_token": page.csrf})
        assert answer.status_code == 403, verb
    opened.call(_ended, job.id)
    assert digest_at(url, "copy/by-viewer", "1.0") is None


def test_a_form_without_its_token_copies_nothing(site: Site, url: str) -> None:
    push.push_image(url, "copy/new", "1.0", labels={"n": "new"})
    form = {"registry": "other", "repository": "copy/forged", "tag": "1.0"}
    assert site.client.post("/r/sample/copy/new:1.0/-/copy", data=form).status_code == 403
    assert digest_at(url, "copy/forged", "1.0") is None


def test_jobs_that_are_not_there(site: Site) -> None:
    site.get_page("/jobs/nope", status=404)
    for asked_state in ("state=strange", "cursor=x"):
        site.get_page(f"/jobs/nope?{asked_state}", status=404)
