"""Changes by the API: the contract of plan and outcome, and every refusal, each proven on the registry itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from demo.push import make_layer, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.settings import load
from kubedash.storage.tables import token as tokens
from kubedash.web.app import create_app
from tests.api.conftest import without_engine
from tests.api.house import ADMIN_PASSWORD, PREFIX, House

TAGS = "/registries/own/tags"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path_factory.mktemp("own")) as registry:
        yield registry


def _house(folder: Path, url: str, **environ: str) -> Iterator[House]:
    settings = load({"KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_ADMIN_PASSWORD": ADMIN_PASSWORD, **environ})
    with TestClient(create_app(settings, without_engine), base_url="http://kubedash.test") as client:
        built = House(client, folder)
        body = {"name": "own", "url": url, "protected_tags": ["prod-*"]}
        built.ask("POST", "/registries", json=body, status=201)
        yield built


@pytest.fixture(scope="module")
def deleting(tmp_path_factory: pytest.TempPathFactory, own: RegistryProcess) -> Iterator[House]:
    """With DELETE_IMAGES."""
    yield from _house(tmp_path_factory.mktemp("deleting"), own.url, DELETE_IMAGES="true")


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory, own: RegistryProcess) -> Iterator[House]:
    """With the setting as it is by default."""
    yield from _house(tmp_path_factory.mktemp("careful"), own.url)


def digests(registry: RegistryProcess, repository: str) -> dict[str, str]:
    """What the registry itself has."""
    base = f"{registry.url}/v2/{repository}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    names = httpx.get(f"{base}/tags/list").json()["tags"] or ()
    return {
        name: httpx.head(f"{base}/manifests/{name}", headers=accept).headers["Docker-Content-Digest"] for name in names
    }


def two_tags(registry: RegistryProcess, repository: str) -> str:
    image = push_image(registry.url, repository, "1.0", layers=[make_layer({"of": repository})])
    push(registry.url, repository, "latest", image)
    return image.digest


def test_a_dry_run_tells_the_plan_and_does_nothing(deleting: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/plan")
    before = digests(own, "api/plan")
    answer = deleting.ask("DELETE", f"{TAGS}?repository=api/plan&tag=1.0&dry_run=true", role="maintainer", status=200)
    plan = answer.json()
    contract = {"strategy", "removes", "spares", "orphans", "warnings", "refused", "digest"}
    assert contract <= plan.keys()
    assert (plan["strategy"], plan["removes"], plan["spares"]) == ("placeholder", ["1.0"], ["latest"])
    assert (plan["orphans"], plan["refused"], plan["digest"]) == ([], None, digest)
    assert digests(own, "api/plan") == before


def test_one_tag_goes_and_comes_back(deleting: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/delete")
    path = f"{TAGS}?repository=api/delete&tag=1.0&expected={digest}"
    outcome = deleting.ask("DELETE", path, role="maintainer", status=200).json()
    assert (outcome["state"], outcome["removed"], outcome["verified"]) == ("done", ["1.0"], ["latest"])
    assert digests(own, "api/delete") == {"latest": digest}
    listed = deleting.ask("GET", f"{TAGS}?repository=api/delete", role="viewer", status=200).json()["items"]
    assert [row["name"] for row in listed] == ["latest"]
    deleting.ask("DELETE", path, role="maintainer", status=404)
    body = {"repository": "api/delete", "tag": "1.0", "expected": "absent"}
    back = deleting.ask("POST", f"{TAGS}/restore", role="maintainer", json=body, status=201).json()
    assert (back["digest"], back["action"]) == (digest, "tag.restore")
    assert digests(own, "api/delete") == {"1.0": digest, "latest": digest}
    history = deleting.ask("GET", f"{TAGS}/history?repository=api/delete&tag=1.0", role="viewer", status=200).json()
    assert history["items"][0]["seen_by"] == "us"
    assert history["items"][0]["actor"] == "maintainer"
    path = "/audit?actor=maintainer&action=tag.*&outcome=done&target=own/api/delete:1.0&since=2020-01-01T00:00:00Z"
    lines = deleting.ask("GET", path, status=200).json()["items"]
    assert [line["action"] for line in lines] == ["tag.restore", "tag.delete"]
    assert lines[1]["detail"]["plan"]["strategy"] == "placeholder"
    assert lines[1]["detail"]["outcome"]["verified"] == ["latest"]
    deleting.ask("GET", "/audit?since=yesterday", status=422)


def test_a_tag_is_added_and_moved(deleting: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/move")
    other = push_image(own.url, "api/move", "2.0", labels={"n": "2"}).digest
    body: dict[str, Any] = {"repository": "api/move", "tag": "stable", "source": "1.0"}
    made = deleting.ask("POST", TAGS, role="maintainer", json=body, status=201).json()
    assert (made["digest"], made["old_digest"], made["action"]) == (digest, None, "tag.add")
    moved = body | {"source": other, "expected": digest}
    plan = deleting.ask("POST", f"{TAGS}?dry_run=true", role="maintainer", json=moved, status=200).json()
    assert (plan["moves"], plan["old_digest"], plan["digest"]) == (True, digest, other)
    assert digests(own, "api/move")["stable"] == digest
    answer = deleting.ask("POST", TAGS, role="maintainer", json=moved, status=200).json()
    assert (answer["digest"], answer["old_digest"]) == (other, digest)
    again = deleting.ask("POST", TAGS, role="maintainer", json=moved, status=409).json()
    assert again["type"].endswith(":moved")
    assert digest in again["detail"]
    assert other in again["detail"]
    assert digests(own, "api/move")["stable"] == other


def test_whoever_may_not_is_refused_and_nothing_happens(deleting: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/refused")
    push(own.url, "api/refused", "prod-1", push_image(own.url, "api/refused", None, labels={"n": "prod"}))
    before = digests(own, "api/refused")
    delete = f"{TAGS}?repository=api/refused&tag=1.0"
    point = {"repository": "api/refused", "tag": "new", "source": "1.0"}
    for role, status in ((None, 401), ("viewer", 403)):
        deleting.ask("DELETE", delete, role=role, status=status)
        deleting.ask("DELETE", f"{delete}&dry_run=true", role=role, status=status)
        deleting.ask("POST", TAGS, role=role, json=point, status=status)
        deleting.ask("POST", f"{TAGS}/restore", role=role, json={"repository": "a", "tag": "b"}, status=status)
        manifest = f"/registries/own/manifests?repository=api/refused&digest={digest}"
        deleting.ask("DELETE", manifest, role=role, status=status)
    deleting.ask("DELETE", f"{delete}&expected=sha256:{'0' * 64}", role="maintainer", status=409)
    refused = deleting.ask("DELETE", f"{TAGS}?repository=api/refused&tag=prod-1", role="admin", status=409).json()
    assert "protected" in refused["detail"]
    deleting.ask("POST", TAGS, json=point | {"tag": "prod-1"}, status=409)
    assert "expected" in deleting.ask("DELETE", f"{delete}&expected=x", status=422).json()["fields"]
    assert digests(own, "api/refused") == before


def test_an_expired_token_is_refused(deleting: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/expired")
    made = deleting.ask("POST", "/tokens", json={"name": "brief", "days": 1}, status=201).json()
    deleting.tokens["expired"] = made["secret"]
    portal = deleting.client.blocking_portal
    services = deleting.client.app.state.services

    async def age() -> None:
        """The day has passed."""
        async with services.database.write() as session:
            await session.run(tokens.update().where(tokens.c.id == made["token"]["id"]).values(expires_at=1))

    deleting.ask("DELETE", f"{TAGS}?repository=api/expired&tag=1.0&dry_run=true", role="expired", status=200)
    portal.call(age)
    deleting.ask("DELETE", f"{TAGS}?repository=api/expired&tag=1.0", role="expired", status=401)
    assert digests(own, "api/expired") == {"1.0": digest, "latest": digest}


def test_a_session_without_its_token_is_refused(deleting: House, own: RegistryProcess) -> None:
    """A page of somebody else's makes the browser send the cookie, and nothing more."""
    digest = two_tags(own, "api/forged")
    client = deleting.client
    page = client.get("/sign-in")
    token = page.text.partition('name="_csrf_token" value="')[2].partition('"')[0]
    form = {"name": "admin", "password": ADMIN_PASSWORD, "_csrf_token": token}
    try:
        assert client.post("/sign-in", data=form, follow_redirects=False).status_code == 303
        path = f"{PREFIX}{TAGS}?repository=api/forged&tag=1.0"
        assert client.delete(path).status_code == 403
        body = {"repository": "api/forged", "tag": "x", "source": "1.0"}
        assert client.post(f"{PREFIX}{TAGS}", json=body).status_code == 403
        assert digests(own, "api/forged") == {"1.0": digest, "latest": digest}
        csrf = client.cookies["kubedash_csrf"]
        assert client.delete(path, headers={"X-CSRF-Token": csrf}).status_code == 200
    finally:
        client.cookies.clear()
    assert digests(own, "api/forged") == {"latest": digest}


def test_without_the_setting_nothing_can_be_deleted(careful: House, own: RegistryProcess) -> None:
    digest = two_tags(own, "api/off")
    for path in (f"{TAGS}?repository=api/off&tag=1.0", f"/registries/own/manifests?repository=api/off&digest={digest}"):
        for more in ("", "&dry_run=true"):
            refused = careful.ask("DELETE", f"{path}{more}", role="admin", status=403).json()
            assert "DELETE_IMAGES" in refused["detail"]
    assert digests(own, "api/off") == {"1.0": digest, "latest": digest}
    body = {"repository": "api/off", "tag": "added", "source": "1.0"}
    careful.ask("POST", TAGS, role="maintainer", json=body, status=201)


def test_what_the_registry_does_not_do_is_a_502_that_says_how_things_are(deleting: House, tmp_path: Path) -> None:
    registry = RegistryProcess(tmp_path / "registry").start()
    try:
        deleting.ask("POST", "/registries", json={"name": "turned", "url": registry.url}, status=201)
        digest = two_tags(registry, "app")
        path = "/registries/turned/tags?repository=app&tag=1.0"
        deleting.ask("DELETE", f"{path}&dry_run=true", status=200)
        registry.restart(delete=False)
        problem = deleting.ask("DELETE", path, status=502).json()
        assert problem["type"].endswith(":not-done")
        assert "Nothing was changed" in problem["detail"]
        assert "storage.delete.enabled" in problem["hint"]
        assert digests(registry, "app") == {"1.0": digest, "latest": digest}
    finally:
        deleting.ask("DELETE", "/registries/turned")
        registry.stop()


def test_deleted_tags_are_listed_with_what_they_led_to(deleting: House, own: RegistryProcess) -> None:
    image = push_image(own.url, "api/deleted", "1.0", layers=[make_layer({"of": "deleted"})])
    push(own.url, "api/deleted", "latest", image)
    deleting.ask("DELETE", f"{TAGS}?repository=api/deleted&tag=1.0", status=200)
    path = f"{TAGS}/deleted?repository=api/deleted"
    (found,) = deleting.ask("GET", path, role="viewer", status=200).json()["items"]
    assert (found["name"], found["last"]["digest"], found["last"]["ended_by"]) == ("1.0", image.digest, "us")
    assert deleting.ask("GET", f"{path}&q=latest", status=200).json()["items"] == []
    deleting.ask("GET", path, role=None, status=401)
    deleting.ask("GET", f"{TAGS}/deleted?repository=api/nowhere", status=404)
