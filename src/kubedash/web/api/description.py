"""The API described: OpenAPI as a file, and as a page that a person can read.

The page is drawn on the server, because the usual explorers need scripts and styles
from elsewhere, which our content security policy rightly refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme, Server
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from kubedash import __version__
from kubedash.records import Record, encode_json
from kubedash.web.rendering import page

PREFIX: Final = "/api/v1"
DOCS: Final = "/api/docs"
OPENAPI_TYPE: Final = "application/vnd.oai.openapi+json"
JsonObject = dict[str, Any]
_PAGE_OF: Final = re.compile(rb"Page_kubedash\.[a-z.]*\.(\w+?)_")
"""How Litestar calls a page of something; `PageOfTagRow` says the same."""
_REFUSALS: Final = {
    "401": "Nobody is signed in, or the token is unknown or expired.",
    "403": "Somebody is, and may not do this.",
    "404": "No such thing is known here.",
    "409": "It exists already, or moved meanwhile.",
    "422": "What was sent cannot be read; `fields` says where.",
    "502": "The registry's side failed or refused.",
    "503": "A part of this house is down.",
}
_PROBLEM: Final[JsonObject] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457), what we asked, what came back and what to try.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": ["string", "null"]},
        "asked": {"type": ["string", "null"]},
        "answered": {"type": ["string", "null"]},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


class Operation(Record, frozen=True, kw_only=True):
    """One verb and path, for the page."""

    id: str
    verb: str
    path: str
    title: str
    text: str
    parameters: tuple[Parameter, ...]
    body: str | None
    """The name of the schema that is sent."""
    answer: str | None
    """The name of the schema that comes back."""


class Parameter(Record, frozen=True, kw_only=True):
    name: str
    place: str
    required: bool
    text: str


class Description(Record, frozen=True, kw_only=True):
    """What the page shows."""

    version: str
    operations: tuple[Operation, ...]
    schemas: tuple[tuple[str, tuple[str, ...]], ...]
    """Name → its fields."""


class NameSchemas(OpenAPISchemaPlugin):
    """Digests, tags and repository names are text to the outside."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, str) and value is not str and not issubclass(value, Enum)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        return Schema(type=OpenAPIType.STRING)


class _Page(OpenAPIRenderPlugin):
    """`/api/docs`: every operation of the schema, in the house's own layout."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: JsonObject) -> bytes:
        return page(request, "api/page.html", describe(contract(openapi_schema))).content.encode()


class _File(OpenAPIRenderPlugin):
    """The same schema as a file beside the page."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OPENAPI_TYPE)  # type: ignore[arg-type]

    def render(self, request: Request[Any, Any, Any], openapi_schema: JsonObject) -> bytes:
        return encode_json(contract(openapi_schema))


def openapi_config(base_path: str) -> OpenAPIConfig:
    """How the application describes itself."""
    return OpenAPIConfig(
        title="KubeDash",
        version=__version__,
        description="Browse container registries from an index. Errors are `application/problem+json`.",
        path=DOCS,
        render_plugins=(_Page(), _File()),
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, method, path: handler.handler_name,
        servers=[Server(url=base_path or "/")],
        security=[{"token": []}, {"session": []}],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="`kubedash token create`"),
                "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name="kubedash_session"),
            }
        ),
    )


@get(f"{PREFIX}/openapi.json", include_in_schema=False)
async def read_schema(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI description; needs no sign-in, because it holds nothing of anybody's."""
    return Response(encode_json(contract(request.app.openapi_schema.to_schema())), media_type=OPENAPI_TYPE)


def contract(schema: JsonObject) -> JsonObject:
    """The schema as it is promised: the API's own paths, readable names, refusals as they really look."""
    schema = msgspec.json.decode(_PAGE_OF.sub(rb"PageOf\1", encode_json(schema)))
    paths = {
        path: {verb: _with_refusals(operation) for verb, operation in item.items()}
        for path, item in schema["paths"].items()
        if path.startswith(PREFIX)
    }
    components = {**schema["components"], "schemas": {**schema["components"]["schemas"], "Problem": _PROBLEM}}
    return {**schema, "paths": paths, "components": components}


def describe(schema: JsonObject) -> Description:
    """The schema as a page shows it."""
    schemas = schema["components"]["schemas"]
    return Description(
        version=__version__,
        operations=tuple(_operations(schema["paths"])),
        schemas=tuple((name, tuple(found.get("properties", ()))) for name, found in sorted(schemas.items())),
    )


def _with_refusals(operation: JsonObject) -> JsonObject:
    kept = {status: response for status, response in operation["responses"].items() if status != "400"}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {status: {"description": text, "content": problem} for status, text in _REFUSALS.items()}
    return {**operation, "responses": {**kept, **refusals}}


def _operations(paths: Mapping[str, JsonObject]) -> Iterator[Operation]:
    for path, item in sorted(paths.items()):
        for verb, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            yield Operation(
                id=operation["operationId"],
                verb=verb.upper(),
                path=path,
                title=operation.get("summary", ""),
                text=operation.get("description", ""),
                parameters=tuple(_parameter(found) for found in operation.get("parameters", ())),
                body=_schema_name(content),
                answer=_answer(operation["responses"]),
            )


def _parameter(found: JsonObject) -> Parameter:
    return Parameter(
        name=found["name"],
        place=found["in"],
        required=bool(found.get("required")),
        text=found.get("description", ""),
    )


def _answer(responses: Mapping[str, JsonObject]) -> str | None:
    for status, response in responses.items():
        if status.startswith("2"):
            return _schema_name(response.get("content", {}))
    return None


def _schema_name(content: Mapping[str, JsonObject]) -> str | None:
    for media in content.values():
        reference = media.get("schema", {}).get("$ref")
        if reference is not None:
            return str(reference).rpartition("/")[2]
    return None
