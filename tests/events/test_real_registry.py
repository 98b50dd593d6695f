"""Debian's docker-registry with the well-known block: every event is kept, with the registry's times."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from demo.server import ServerProcess
from tests.sync import content

SECONDS = 90
OURS = "kubedash/"


def block(url: str) -> dict[str, Any]:
    """As the first KubeDash's documentation has it, but for the URL."""
    return {
        "name": "kubedash",
        "url": f"{url}/plugins/registry/events",
        "timeout": "1s",
        "threshold": 5,
        "backoff": "10s",
        "ignoredmediatypes": ["application/octet-stream"],
    }


class Pair:
    """A registry and the KubeDash that it posts to."""

    def __init__(self, registry: RegistryProcess, server: ServerProcess) -> None:
        self.registry = registry
        self.server = server

    def ask(self, method: str, repository: str, rest: str, accept: str = push.OCI_MANIFEST) -> None:
        headers = {"Accept": accept, "User-Agent": "docker/27.0"}
        address = f"{self.registry.url}/v2/{repository}/{rest}"
        urllib.request.urlopen(urllib.request.Request(address, method=method, headers=headers), timeout=30).close()

    def events(self, repository: str) -> list[dict[str, Any]]:
        """What others than KubeDash did in a repository, oldest first."""
        query = urlencode({"repository": repository, "sort": "at", "limit": 1000})
        found = self.server.api("GET", f"/events?{query}")["items"]
        return [item for item in found if not item["own"]]

    def await_events(self, repository: str, many: int) -> list[dict[str, Any]]:
        return await_(lambda: self.events(repository), lambda found: len(found) >= many)


def await_(look: Callable[[], list[Any]], enough: Callable[[list[Any]], bool]) -> list[Any]:
    deadline = time.monotonic() + SECONDS
    while not enough(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("kubedash")
        server = ServerProcess(folder, password="a password of the tests", settings={"KUBEDASH_SYNC_INTERVAL": "0"})
        stack.enter_context(server)
        home: Path = tmp_path_factory.mktemp("registry")
        registry = stack.enter_context(RegistryProcess(home, notifications=[block(server.url)]))
        server.api("POST", "/registries", {"name": "main", "title": "Main", "url": registry.url})
        yield Pair(registry, server)


def said(events: Sequence[dict[str, Any]]) -> list[tuple[str, str | None, bool, str | None]]:
    """Action, tag, whether there is a digest, method."""
    return [(event["action"], event["tag"], event["digest"] is not None, event["method"]) for event in events]


def test_everything_that_happens_to_an_image(pair: Pair) -> None:
    began = datetime.now(UTC)
    image = push.make_image(labels={"n": "1"})
    push.push(pair.registry.url, "shop/app", "1.0", image)
    for reference in ("1.0", image.digest):
        pair.ask("HEAD", "shop/app", f"manifests/{reference}")
        pair.ask("GET", "shop/app", f"manifests/{reference}")
    push.push(pair.registry.url, "shop/app", "2.0", image)  # the same again: a tag more
    push.delete_manifest(pair.registry.url, "shop/app", image.digest)
    kept = pair.await_events("shop/app", 9)
    assert said(kept[:6]) == [
        ("push", "1.0", True, "PUT"),
        ("pull", "1.0", True, "HEAD"),
        ("pull", "1.0", True, "GET"),
        ("pull", None, True, "HEAD"),
        ("pull", None, True, "GET"),
        ("push", "2.0", True, "PUT"),
    ]
    gone = kept[6:]
    assert sorted(said(gone), key=str) == [
        ("delete", "1.0", False, "DELETE"),
        ("delete", "2.0", False, "DELETE"),
        ("delete", None, True, "DELETE"),
    ]
    ended = datetime.now(UTC)
    for event in kept:
        assert event["registry"] == "main"
        assert began <= datetime.fromisoformat(event["occurred_at"]) <= ended
        assert event["occurred_at"] < event["received_at"]
        assert (event["address"], event["address_claimed"], event["actor"]) == ("127.0.0.1", False, None)
        assert event["digest"] in (None, image.digest)
        assert (event["authenticated"], event["strange"]) == (False, None)
    assert kept[0]["media_type"] == push.OCI_MANIFEST
    assert kept[0]["size"] == len(image.manifest)
    assert kept[1]["user_agent"] == "docker/27.0"
    assert [event["counted"] for event in kept[1:5]] == [False, True, False, True]


def test_charts_and_lists_count_the_same_pulls(pair: Pair, tmp_path: Path) -> None:
    index = content.built(2)
    push.push(pair.registry.url, "shop/multi", "1.0", index)
    tags = f"/registries/main/tags?{urlencode({'repository': 'shop/multi'})}"
    figures = f"/events/stats?{urlencode({'registry': 'main', 'repository': 'shop/multi'})}"

    def known() -> list[dict[str, Any]]:
        return [item for item in _repositories(pair) if item["name"] == "shop/multi"]

    def counts() -> list[int]:
        (tag,), (repository,) = pair.server.api("GET", tags)["items"], known()
        charted = pair.server.api("GET", figures)["totals"]["pull"]
        return [charted, *(found["pulls"]["days_7"] for found in (tag, repository) if found["pulls"])]

    await_(known, bool)
    await_(lambda: pair.server.api("GET", tags)["items"], bool)
    # One platform, as most people do it, then all of them.
    for number, words in enumerate([["--override-arch", "amd64"], ["--all"]], 1):
        _skopeo(words, f"{pair.registry.url}/shop/multi:1.0", tmp_path / str(number))
        await_(counts, lambda found, number=number: found == [number] * 3)  # type: ignore[misc]
    told = [event for event in pair.events("shop/multi") if event["action"] == "pull"]
    assert len(told) > 3
    assert [event["tag"] for event in told if event["counted"]] == ["1.0", "1.0"]
    tops = pair.server.api("GET", "/events/stats?registry=main")["top_repositories"]
    # Two pulls, and pushes of the index and what is in it.
    assert {top["name"]: top["count"] for top in tops}["shop/multi"] == 2 + 1 + len(index.children)


def _repositories(pair: Pair) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pair.server.api("GET", "/registries/main/repositories")["items"]
    return found


def _skopeo(words: list[str], source: str, folder: Path) -> None:
    place = source.replace("http://", "docker://")
    command = ["skopeo", *words[:2], "copy"] if words[0].startswith("--override") else ["skopeo", "copy", *words]
    subprocess.run([*command, "--src-tls-verify=false", place, f"dir:{folder}"], check=True, timeout=60)


def test_what_happens_while_kubedash_is_away_is_not_lost(pair: Pair) -> None:
    pair.server.kill()
    for number in range(3):
        push.push(pair.registry.url, "shop/away", f"{number}", push.make_image(labels={"n": f"{number}"}))
    back = datetime.now(UTC)
    pair.server.start()
    kept = pair.await_events("shop/away", 3)
    assert [event["tag"] for event in kept] == ["0", "1", "2"]
    for event in kept:
        assert datetime.fromisoformat(event["occurred_at"]) < back < datetime.fromisoformat(event["received_at"])


def test_layers_and_mounts_where_they_are_not_left_out(pair: Pair) -> None:
    secret = pair.server.api("POST", "/registries/main/webhook/secret")["secret"]
    plain = {key: value for key, value in block(pair.server.url).items() if key != "ignoredmediatypes"}
    endpoint = plain | {"headers": {"Authorization": [f"Bearer {secret}"]}}
    pair.registry.restart(notifications=[endpoint])
    layer = push.push_blob(pair.registry.url, "shop/from", push.make_layer({"a": "b"}))
    mount = f"blobs/uploads/?{urlencode({'mount': layer, 'from': 'shop/from'})}"
    pair.ask("POST", "shop/mounted", mount)
    (event,) = pair.await_events("shop/mounted", 1)
    assert (event["action"], event["digest"], event["from_repository"]) == ("mount", layer, "shop/from")
    assert event["authenticated"]
    blobs = pair.await_events("shop/from", 1)
    assert {(event["action"], event["media_type"], event["counted"]) for event in blobs} == {
        ("push", "application/octet-stream", False)
    }
