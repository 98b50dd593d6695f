"""Events by API: the timeline, its figures, and the webhook's secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.api.house import House, fields_of
from tests.support.events import CONTENT_TYPE, envelope, told

PATH = "/plugins/registry/events"
CONTRACT = {
    "id",
    "event_id",
    "registry",
    "action",
    "repository",
    "tag",
    "digest",
    "media_type",
    "size",
    "actor",
    "address",
    "user_agent",
    "method",
    "occurred_at",
    "received_at",
    "authenticated",
}


def _post(house: House, *events: object, secret: str | None = None) -> int:
    headers = {"Content-Type": CONTENT_TYPE, **({"Authorization": f"Bearer {secret}"} if secret else {})}
    return house.client.post(f"{PATH}/main", content=envelope(*events), headers=headers).status_code


def test_timeline_and_figures(house: House) -> None:
    now = datetime.now(UTC).replace(microsecond=123456)
    for number, action in enumerate(("push", "pull", "pull", "delete")):
        event = told(number, now + timedelta(microseconds=number), action=action, repository="events/api", actor="api")
        assert _post(house, event) == 200
    where = "actor=api&repository=events/api"
    first = house.ask("GET", f"/events?{where}&limit=3", role="viewer", status=200).json()
    assert first.keys() >= {"items", "next", "as_of"}
    assert [item["action"] for item in first["items"]] == ["delete", "pull", "pull"]
    assert first["items"][0].keys() >= CONTRACT
    rest = house.ask("GET", f"/events?{where}&limit=3&cursor={first['next']}", status=200).json()
    assert [item["action"] for item in rest["items"]] == ["push"]
    assert rest["items"][0]["occurred_at"] == now.isoformat().replace("+00:00", "Z")
    pulls = house.ask("GET", f"/events?{where}&action=pull&action=push&registry=main&sort=at", status=200).json()
    assert [item["action"] for item in pulls["items"]] == ["push", "pull", "pull"]
    assert house.ask("GET", f"/events?{where}&registry=-", status=200).json()["items"] == []
    until = house.ask("GET", f"/events?{where}&until={now.isoformat()}", status=200).json()
    assert until["items"] == []
    for query in ("actor=api", "registry=main&repository=events/api", "tag=1.0&actor=api"):
        stats = house.ask("GET", f"/events/stats?{query}", role="viewer", status=200).json()
        assert stats["totals"] == {"push": 1, "pull": 2, "delete": 1, "mount": 0, "other": 0}, query
        assert sum(point["counts"]["pull"] for point in stats["points"]) == 2


def test_what_cannot_be_asked_for(house: House) -> None:
    assert fields_of(house.ask("GET", "/events?since=yesterday", status=422)) == {"since"}
    assert fields_of(house.ask("GET", "/events/stats?until=-1", status=422)) == {"until"}
    house.ask("GET", "/events?sort=size", status=422)
    house.ask("GET", "/events?cursor=nonsense", status=422)
    house.ask("GET", "/events?limit=0", status=422)


def test_time_has_ends(house: House) -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        for name in ("since", "until"):
            house.ask("GET", f"/events?{name}={moment}", status=200)
            house.ask("GET", f"/events/stats?{name}={moment}", status=200)


def test_the_secret_of_a_webhook_is_for_administrators(house: House) -> None:
    for role in ("viewer", "maintainer"):
        house.ask("GET", "/registries/main/webhook", role=role, status=403)
        house.ask("POST", "/registries/main/webhook/secret", role=role, status=403)
        house.ask("DELETE", "/registries/main/webhook/secret", role=role, status=403)
    for method, path in (("GET", "/webhook"), ("POST", "/webhook/secret"), ("DELETE", "/webhook/secret")):
        house.ask(method, f"/registries/nowhere{path}", status=404)


def test_a_secret_is_made_used_and_removed(house: House) -> None:
    made = house.ask("POST", "/registries/main/webhook/secret", status=201).json()
    assert made["secret"] in made["block"]
    assert made["url"].endswith(f"{PATH}/main")
    assert _post(house, told(90)) == 401
    assert _post(house, told(90), secret=made["secret"]) == 200
    shown = house.ask("GET", "/registries/main/webhook", status=200)
    assert shown.json()["has_secret"]
    assert made["secret"] not in shown.text
    assert "Authorization: [Bearer SECRET]" in shown.json()["block"]
    assert "POST /api/v1/registries/main/webhook/secret" in shown.json()["block"]
    audit = house.ask("GET", "/audit?limit=5", status=200)
    assert audit.json()["items"][0]["action"] == "registry.event_secret"
    assert made["secret"] not in audit.text
    house.ask("DELETE", "/registries/main/webhook/secret", status=204)
    assert "Authorization" not in house.ask("GET", "/registries/main/webhook", status=200).json()["block"]
    assert _post(house, told(91)) == 200
