"""Our lists of repositories and tags against crane's: by workflow, API and command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from demo.push import make_image, push, push_many
from kubedash.oci.reference import RepositoryName
from kubedash.settings import load
from kubedash.web.app import create_app
from kubedash.workflows import tokens
from kubedash.workflows.services import Services
from tests.api.conftest import without_engine
from tests.interop.registries import DISTRIBUTION_2, DISTRIBUTION_3, ZOT, running
from tests.interop.seen import REGISTRY, all_repositories, all_tags, crawl, environment, in_house
from tests.interop.tools import Desk
from tests.support.services import ADMIN

MANY = 1050
LONG = "many/tags"
SIGNED = "library/app"
OTHERS = ("library/app/inner", "team/deep/er/name", "a-1_2.3__4", "zz")
MACHINE = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?")


@dataclass(frozen=True)
class Filled:
    """A registry with what crane lists in it, and the folder of an index of all of it."""

    kind: str
    url: str
    folder: Path
    repositories: set[str]
    tags: dict[str, set[str]]
    """As crane lists them, but for those that machines wrote."""
    token: str


@pytest.fixture(scope="module", params=(DISTRIBUTION_2, DISTRIBUTION_3, ZOT))
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desk: Desk) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    with running(request.param, folder) as url:
        host = url.removeprefix("http://")
        images = ((LONG, f"v{number}", make_image(annotations={"number": str(number)})) for number in range(MANY))
        push_many(url, images)
        for repository in OTHERS:
            push(url, repository, "latest", make_image())
        push(url, SIGNED, "1.0", make_image())
        _sign(desk, f"{host}/{SIGNED}@{make_image().digest}")
        repositories = set(desk.run("crane", "catalog", host).split())
        tags = {name: set(desk.run("crane", "ls", f"{host}/{name}").split()) for name in repositories}
        people = {name: {tag for tag in found if not MACHINE.fullmatch(tag)} for name, found in tags.items()}
        index = tmp_path_factory.mktemp("index-of-all")
        token = in_house(url, index, _read_all)
        yield Filled(request.param, url, index, repositories, people, token)


async def _read_all(services: Services) -> str:
    """Crawls everything, and answers a token for the API."""
    await crawl(services)
    _, secret = await tokens.create_token(services, ADMIN, "test", None, None)
    return secret


def _sign(desk: Desk, image: str) -> None:
    if not (desk.folder / "cosign.key").exists():
        desk.run("cosign", "generate-key-pair")
    told = ("--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key")
    desk.run("cosign", "sign", *told, image)


def test_what_crane_lists_is_what_was_pushed(filled: Filled) -> None:
    assert filled.repositories == {LONG, SIGNED, *OTHERS}
    assert filled.tags[LONG] == {f"v{number}" for number in range(MANY)}
    assert filled.tags[SIGNED] == {"1.0"}


def test_distribution_3_gives_long_lists_in_pages(filled: Filled) -> None:
    with urllib.request.urlopen(f"{filled.url}/v2/{LONG}/tags/list?n=1000") as answer:
        paged = answer.headers["Link"] is not None
    if filled.kind == DISTRIBUTION_3:
        assert paged
    if filled.kind == DISTRIBUTION_2:
        assert not paged


def test_by_workflow(filled: Filled) -> None:
    async def work(services: Services) -> None:
        found = await all_repositories(services)
        assert found.keys() == filled.repositories
        for name, repository in found.items():
            listed = await all_tags(services, RepositoryName.parse(name))
            assert listed.keys() == filled.tags[name]
            assert repository.tag_count == len(listed)

    in_house(filled.url, filled.folder, work)


def test_by_api(filled: Filled) -> None:
    settings = load({"KUBEDASH_DATA_DIR": str(filled.folder), **environment(filled.url)})
    with TestClient(create_app(settings, without_engine), base_url="http://kubedash.test") as client:
        client.headers["Authorization"] = f"Bearer {filled.token}"
        registry = client.get(f"/api/v1/registries/{REGISTRY}").json()
        assert registry["status"] == "ok"
        assert registry["repository_count"] == len(filled.repositories)
        assert registry["tag_count"] == sum(map(len, filled.tags.values()))
        assert set(_all(client, "repositories", {})) == filled.repositories
        for name, people in filled.tags.items():
            assert sorted(_all(client, "tags", {"repository": name})) == sorted(people)


def _all(client: TestClient[Litestar], what: str, parameters: dict[str, str]) -> list[str]:
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        told = {**parameters, "limit": "400", **cursor}
        answer = client.get(f"/api/v1/registries/{REGISTRY}/{what}", params=told)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [item["name"] for item in page["items"]]
        if page["next"] is None:
            return names
        cursor = {"cursor": page["next"]}


def test_by_command_line(filled: Filled) -> None:
    assert set(_ls(filled, REGISTRY)) == filled.repositories
    for name in (LONG, SIGNED):
        assert sorted(_ls(filled, f"{REGISTRY}/{name}")) == sorted(filled.tags[name])


def _ls(filled: Filled, place: str) -> list[str]:
    names: list[str] = []
    cursor: list[str] = []
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "kubedash", "ls", place, "--json", *cursor],
            env={"KUBEDASH_DATA_DIR": str(filled.folder), **environment(filled.url)},
            capture_output=True,
            check=True,
        )
        page = json.loads(done.stdout)
        names += [item["name"] for item in page["items"]]
        if page["next"] is None:
            return names
        cursor = ["--cursor", page["next"]]
