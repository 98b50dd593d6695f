"""Copies and jobs through the API: plan, copy, watch, and the refusals of each door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from demo.registry_process import RegistryProcess
from tests.api.house import House, fields_of

BODY = {"repository": "library/single", "reference": "1.0", "target_repository": "team/promoted", "target_tag": "prod"}
COPIES = "/registries/main/copies"


def digest_of(house: House, repository: str, tag: str) -> str:
    parameters = {"repository": repository, "reference": tag}
    found: str = house.ask("GET", "/registries/main/image", params=parameters, status=200).json()["digest"]
    return found


def test_a_copy_is_planned_made_and_shown(house: House) -> None:
    source = digest_of(house, "library/single", "1.0")
    plan = house.ask("POST", f"{COPIES}?dry_run=true", role="maintainer", json=BODY, status=200).json()
    assert (plan["digest"], plan["old_digest"], plan["overwrites"], plan["mounts"]) == (source, None, False, True)
    assert [part["role"] for part in plan["parts"]] == ["root"]
    answer = house.ask("POST", COPIES, role="maintainer", json=BODY, status=202)
    job = answer.json()
    assert (job["kind"], job["asked_by"], job["can_pause"]) == ("copy", "maintainer", True)
    assert answer.headers["Location"].endswith(f"/api/v1/jobs/{job['id']}")
    ended = house.wait(job)
    assert ended["progress"] == {
        "done": ended["progress"]["total"],
        "total": ended["progress"]["total"],
        "doing": None,
        "unit": "bytes",
    }
    shown = house.ask("GET", f"/copies/{job['id']}", role="viewer", status=200).json()
    assert shown["outcome"]["mounted"] == shown["outcome"]["blobs"] == plan["blobs"]
    assert (shown["repository"], shown["tag"], shown["digest"]) == ("team/promoted", "prod", source)
    assert digest_of(house, "team/promoted", "prod") == source
    items = house.ask("GET", f"/jobs/{job['id']}/items?state=done", role="viewer", status=200).json()
    assert items["items"][-1]["name"] == "tag prod"
    assert (items["next"], items["total"]) == (None, plan["blobs"] + 2)
    assert job["id"] in [found["id"] for found in house.ask("GET", "/jobs?registry=main", status=200).json()["items"]]


def test_overwriting_wants_the_old_digest(house: House) -> None:
    body = {**BODY, "target_tag": "over"}
    house.wait(house.ask("POST", COPIES, json=body, status=202).json())
    newer = {**body, "reference": "1.2"}
    refused = house.ask("POST", COPIES, json=newer, status=409).json()
    old, new = digest_of(house, "library/single", "1.0"), digest_of(house, "library/single", "1.2")
    assert old in refused["detail"]
    assert new in refused["detail"]
    assert house.ask("POST", COPIES, json={**newer, "expected": new}, status=409).json()["detail"].startswith("main/")
    house.wait(house.ask("POST", COPIES, json={**newer, "expected": old, "digest": new}, status=202).json())
    line = house.ask("GET", "/audit?limit=1", status=200).json()["items"][0]
    assert (line["action"], line["target"], line["outcome"]) == ("image.copy", "main/team/promoted:over", "done")
    assert line["detail"]["old_digest"] == old


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reference": "not a tag"}, "reference"),
        ({"target_repository": "NOT A NAME"}, "target_repository"),
        ({"target_tag": "no tag"}, "target_tag"),
        ({"expected": "sha256:short"}, "expected"),
        ({"reference": f"sha256:{'0' * 64}", "target_tag": None}, "target_tag"),
        ({"target_repository": "library/single", "target_tag": "1.0"}, "target_tag"),
    ],
)
def test_what_cannot_be_read_is_named(house: House, change: dict[str, Any], field: str) -> None:
    assert field in fields_of(house.ask("POST", COPIES, json={**BODY, **change}, status=422))


def test_what_is_not_there_is_not_found(house: House) -> None:
    house.ask("POST", COPIES, json={**BODY, "reference": "9.9"}, status=404)
    house.ask("POST", COPIES, json={**BODY, "target_registry": "nowhere"}, status=404)
    house.ask("GET", "/copies/none", status=404)
    for verb in ("pause", "resume"):
        house.ask("POST", f"/jobs/none/{verb}", status=404)
    house.ask("GET", "/jobs/none/items", status=404)


def test_who_may_not_is_refused(house: House, registry: RegistryProcess) -> None:
    """Nobody, a viewer, an expired token, and a session without its CSRF token."""
    house.ask("POST", COPIES, role=None, json=BODY, status=401)
    house.ask("POST", COPIES, role="viewer", json=BODY, status=403)
    house.ask("POST", f"{COPIES}?dry_run=true", role="viewer", json=BODY, status=403)
    made = house.ask("POST", "/tokens", json={"name": "short", "days": 1}, status=201).json()
    house.tokens["expired"] = made["secret"]
    services = house.client.app.state.services
    house.client.app.state.services = _later(services, timedelta(days=2))
    try:
        house.ask("POST", COPIES, role="expired", json=BODY, status=401)
    finally:
        house.client.app.state.services = services
    house.client.cookies.set("kubedash_session", "0" * 64)
    try:
        house.ask("POST", COPIES, role=None, json=BODY, status=403)
    finally:
        house.client.cookies.clear()


def test_an_ended_job_cannot_be_paused_nor_a_viewer_stop_one(house: House) -> None:
    job = house.wait(house.ask("POST", COPIES, json={**BODY, "target_tag": "ended"}, status=202).json())
    for verb in ("pause", "resume"):
        house.ask("POST", f"/jobs/{job['id']}/{verb}", status=409)
        house.ask("POST", f"/jobs/{job['id']}/{verb}", role="viewer", status=403)
    house.ask("DELETE", f"/jobs/{job['id']}", role="viewer", status=403)
    assert house.ask("DELETE", f"/jobs/{job['id']}", status=202).json()["state"] == "done"
    crawl = house.ask("POST", "/registries/main/sync", status=202).json()
    house.ask("POST", f"/jobs/{crawl['id']}/pause", status=409)
    house.wait(crawl)


def _later(services: Any, by: timedelta) -> Any:
    return replace(services, clock=lambda: datetime.now(UTC) + by)
