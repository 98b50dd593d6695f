"""`make demo`: a sample registry and KubeDash on it, until Ctrl-C.

State is kept in `.cache/demo`, so that the second start is quick. `--reset` begins anew.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from demo import activity, content, sboms
from demo.registry_process import RegistryProcess
from demo.server import ServerProcess, free_port

FOLDER: Final = Path(__file__).resolve().parent.parent / ".cache" / "demo"
REGISTRY_USER: Final = "demo"
REGISTRY_PASSWORD: Final = "sample-password"
NAME: Final = "sample"
_REGISTRY_PORT: Final = 5000
_PORT: Final = 8080
_VERSION: Final = "2"
"""Raise it when the content changes, so that kept folders are filled anew."""


@contextmanager
def sample_registry(
    folder: Path, *, tags: int = content.TAGS, port: int = 0, events_to: str = "", events_token: str = ""
) -> Iterator[RegistryProcess]:
    """A filled registry behind users and passwords; its folder is filled once and kept.

    `events_to` is the address of a KubeDash that hears of its events, and `events_token` its
    `KUBEDASH_EVENTS_TOKEN`, where it has one. Until it knows the registry it refuses them,
    and the registry sends them again.
    """
    registry = RegistryProcess(
        folder,
        htpasswd={REGISTRY_USER: REGISTRY_PASSWORD, **activity.ACCOUNTS},
        port=port or free_port(),
        bcrypt_cost=5,
        notifications=[notifications(events_to, events_token)] if events_to else [],
    )
    stamp = folder / "filled"
    wanted = f"{_VERSION} {tags}\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        key = content.fill(registry.storage, f"127.0.0.1:{registry.port}", tags=tags)
        key.save_public(folder / "cosign.pub")
        stamp.write_text(wanted)
    with registry:
        yield registry


def notifications(events_to: str, token: str = "") -> dict[str, Any]:
    """The endpoint that a registry's settings page shows, but for the pause after failures: a demo does not wait."""
    headers = {"headers": {"Authorization": [f"Bearer {token}"]}} if token else {}
    return {
        "name": "kubedash",
        "url": f"{events_to}/plugins/registry/events/{NAME}",
        "timeout": "1s",
        "threshold": 5,
        "backoff": "1s",
        "ignoredmediatypes": ["application/octet-stream"],
        **headers,
    }


@contextmanager
def server(folder: Path, *, port: int = 0, password: str = "") -> Iterator[ServerProcess]:
    """KubeDash on SQLite, with deleting turned on; the first start makes the password of `admin`."""
    admin = _kept_secret(folder, "password", password)
    settings = {"DELETE_IMAGES": "true", "KUBEDASH_EVENTS_TOKEN": _kept_secret(folder, "events-token")}
    with ServerProcess(folder, password=admin, port=port, settings=settings) as process:
        yield process


def _kept_secret(folder: Path, name: str, first: str = "") -> str:
    """A secret that is `first`, or made, the first time and stays the same from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / name
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(first or secrets.token_urlsafe(12))
    return kept.read_text()


def connect(
    process: ServerProcess, registry: RegistryProcess, watch: Callable[[dict[str, Any]], None] = lambda job: None
) -> str:
    """Adds the sample registry and crawls it. Returns how the crawl ended."""
    process.connect(
        {
            "name": NAME,
            "title": "Sample registry",
            "url": registry.url,
            "username": REGISTRY_USER,
            "password": REGISTRY_PASSWORD,
        }
    )
    return str(process.sync(NAME, watch=watch)["state"])


def main() -> int:
    """Runs the demo; the exit code."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if arguments.reset:
        shutil.rmtree(arguments.folder, ignore_errors=True)
    try:
        return _demo(arguments.folder, arguments.port, arguments.tags)
    except KeyboardInterrupt:
        print(f"\nStopped. What was made is kept in {arguments.folder}; `make clean` removes it.")
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


def _demo(folder: Path, port: int, tags: int) -> int:
    began = time.monotonic()
    # KubeDash first: the registry is told where to post its events.
    _say("Starting KubeDash …")
    with server(folder / "kubedash", port=free_port(port)) as process:
        _say("Filling the sample registry (some seconds the first time) …")
        if sboms.syft() is None:
            _say("syft is not installed: the bills of materials are small ones of our own.")
        with sample_registry(
            folder / "registry",
            tags=tags,
            port=free_port(_REGISTRY_PORT),
            events_to=process.url,
            events_token=_kept_secret(folder / "kubedash", "events-token"),
        ) as registry:
            activity.act(registry)
            _say("Crawling the sample registry …")
            ended = connect(process, registry, _show_progress)
            _welcome(process, registry, ended, time.monotonic() - began)
            return process.wait()


def _show_progress(job: dict[str, Any]) -> None:
    progress = job.get("progress")
    if progress and sys.stdout.isatty():
        doing = f": {progress['doing']}" if progress.get("doing") else ""
        print(f"\r\033[K  {progress['done']} of {progress['total'] or '?'}{doing}", end="", flush=True)


def _welcome(process: ServerProcess, registry: RegistryProcess, ended: str, seconds: float) -> None:
    crawl = "is indexed" if ended == "done" else f"could not be crawled ({ended}); see {process.log}"
    _say(f"""
  Open              {process.url}
  as user           admin
  with password     {process.password}

  Sample registry   {registry.url}   {crawl}
  user, password    {REGISTRY_USER}, {REGISTRY_PASSWORD}
  cosign key        {registry.folder / "cosign.pub"}

  Ready after {seconds:.0f} s. Ctrl-C ends both; the next start is quicker.
""")


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, default=_PORT, help="port of KubeDash, where it is free")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where everything is kept")
    parser.add_argument("--tags", type=int, default=content.TAGS, help="of the largest repository")
    parser.add_argument("--reset", action="store_true", help="forget what an earlier demo kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
