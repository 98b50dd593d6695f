"""The registries that the programs push to."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket
from typing import Final

from demo.registry_process import PROGRAM, RegistryProcess
from tests.interop.tools import needed

DISTRIBUTION_2: Final = "distribution 2.8"
DISTRIBUTION_3: Final = "distribution 3"
ZOT: Final = "zot"
START_SECONDS: Final = 20.0


@contextmanager
def running(kind: str, folder: Path) -> Iterator[str]:
    """Its address; the registry ends with the block. Skips where it is not installed."""
    if kind == ZOT:
        with _zot(needed("zot"), folder) as url:
            yield url
        return
    program = needed("registry" if kind == DISTRIBUTION_3 else PROGRAM)
    with RegistryProcess(folder, program=program) as process:
        yield process.url


@contextmanager
def _zot(program: str, folder: Path) -> Iterator[str]:
    with closing(socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    config = folder / "zot.json"
    document = {
        "storage": {"rootDirectory": str(folder / "storage"), "gc": False, "dedupe": False},
        "http": {"address": "127.0.0.1", "port": str(port), "compat": ["docker2s2"]},
        "log": {"level": "error", "output": str(folder / "zot.log")},
    }
    config.write_text(json.dumps(document))
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/v2/", timeout=2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("zot did not start")
