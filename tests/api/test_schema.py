"""The OpenAPI description, and requests made up from it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NotSet

from kubedash.web.api.routes import ROUTES
from tests.api.house import PREFIX, House

EXAMPLES = 12
PHASES = (Phase.explicit, Phase.generate)


@pytest.fixture(scope="module")
def schema(house: House) -> dict[str, Any]:
    answer = house.client.get(f"{PREFIX}/openapi.json")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    found: dict[str, Any] = answer.json()
    return found


def test_every_route_is_described(schema: dict[str, Any]) -> None:
    described = [operation["operationId"] for item in schema["paths"].values() for operation in item.values()]
    assert sorted(described) == sorted(handler.handler_name for handler in ROUTES)
    for path, item in schema["paths"].items():
        assert path.startswith(PREFIX)
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert {"401", "403", "404", "422"} <= operation["responses"].keys()


def test_refusals_are_problems(schema: dict[str, Any]) -> None:
    response = schema["paths"][f"{PREFIX}/registries"]["post"]["responses"]["422"]
    assert response["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "fields" in schema["components"]["schemas"]["Problem"]["properties"]


def test_secrets_are_only_in_what_is_sent(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]
    assert "password" in schemas["NewRegistry"]["properties"]
    assert (
        not {"password", "identity_token", "registry_token", "client_key_pem"}
        & schemas["Registry"]["properties"].keys()
    )


def test_the_page_shows_every_operation(house: House, schema: dict[str, Any]) -> None:
    page = house.client.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<script>" not in page.text
    assert "http://" not in page.text
    for item in schema["paths"].values():
        for operation in item.values():
            assert operation["summary"].replace("'", "&#x27;") in page.text


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_no_made_up_request_shows_a_bug(house: House, schema: dict[str, Any], role: str) -> None:
    for found in schemathesis.openapi.from_dict(schema).get_all_operations():
        operation = found.ok()
        if role == "viewer" or operation.method.upper() == "GET":
            probe(house, operation, role)


def probe(house: House, operation: Any, role: str) -> None:
    headers = {"Authorization": f"Bearer {house.tokens[role]}"}

    @settings(max_examples=EXAMPLES, phases=PHASES, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        body = {} if isinstance(case.body, NotSet) else {"json": case.body}
        answer = house.client.request(
            case.method, case.formatted_path, params=dict(case.query or {}), headers=headers, **body
        )
        assert answer.status_code < 500 or answer.status_code in (502, 503), answer.text

    ask()
