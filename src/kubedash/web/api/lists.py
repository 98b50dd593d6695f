"""What every list takes: `q`, `sort`, `limit` and `cursor`."""

from __future__ import annotations

from typing import Annotated, Final

from litestar.params import QueryParameter

MAX_LIMIT: Final = 1000
MAX_TEXT: Final = 400
MAX_CURSOR: Final = 4000

Q = Annotated[str | None, QueryParameter(max_length=MAX_TEXT, description="Only items that contain this text.")]
Sort = Annotated[
    str | None,
    QueryParameter(max_length=40, description="The field to sort by; a leading `-` reverses. Another name is a 422."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="Most items to answer at once.")]
Moment = Annotated[str | None, QueryParameter(max_length=40, description="RFC 3339, such as 2026-03-01T12:00:00Z.")]
Text = Annotated[str | None, QueryParameter(max_length=MAX_TEXT)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=MAX_CURSOR, description="`next` of the page before, unchanged; it is opaque.")
]
