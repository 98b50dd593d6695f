"""Style sheets, scripts and icons by their content-hashed names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from kubedash.errors import NotFound, Unavailable

DIST: Final = Path(__file__).parent / "static" / "dist"
_MANIFEST: Final = "manifest.json"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Assets:
    """`asset('app.css')` → `/static/app-4C0FDAA8.css`, as the build wrote it into manifest.json."""

    def __init__(self, base_path: str = "", folder: Path = DIST) -> None:
        self._prefix = f"{base_path}/static/"
        self._names = _read(folder / _MANIFEST)

    def url(self, name: str) -> str:
        """Raises `Unavailable` for a name the build does not know."""
        if name not in self._names:
            raise Unavailable(f"The asset {name} was not built.", hint="Run `pip install -e .` again.")
        return self._prefix + self._names[name]


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(
            "The style sheets and scripts were not built.", hint="Run `pip install -e .` again."
        ) from error


class Stored(msgspec.Struct, frozen=True):
    """A built file in memory, and the same compressed."""

    media_type: str
    plain: bytes
    gzip: bytes
    brotli: bytes


def load(folder: Path = DIST) -> dict[str, Stored]:
    """Every built file by its hashed name."""
    return {name: _stored(folder / name) for name in _read(folder / _MANIFEST).values()}


def _stored(path: Path) -> Stored:
    compressed = [path.with_name(path.name + end).read_bytes() for end in (".gz", ".br")]
    return Stored(_MEDIA_TYPES[path.suffix], path.read_bytes(), *compressed)


@get("/static/{name:str}", opt={"skip_session": True, "exclude_from_auth": True, "exclude_from_csrf": True})
async def serve_asset(request: Request[object, object, State], name: FromPath[str]) -> Response[bytes]:
    """Never changes under its name, so browsers keep it for good. Raises `NotFound`."""
    files: dict[str, Stored] = request.app.state.assets
    if name not in files:
        raise NotFound(f"There is no file {name[:80]!r}.", hint="Load the page again: there may be a newer version.")
    content, encoding = _encoded(files[name], request.headers.get("accept-encoding", ""))
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding", "Content-Type": files[name].media_type}
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(content, media_type=files[name].media_type, headers=headers)


def _encoded(file: Stored, accepted: str) -> tuple[bytes, str]:
    words = {word.partition(";")[0].strip() for word in accepted.split(",")}
    if "br" in words:
        return file.brotli, "br"
    if "gzip" in words:
        return file.gzip, "gzip"
    return file.plain, ""
