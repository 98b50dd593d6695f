"""Processes that work on jobs, to be killed, and the house they leave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows.services import Services

ROOT = Path(__file__).resolve().parents[2]


def environment(folder: Path, source: str, target: str) -> dict[str, str]:
    declared = [{"name": "one", "url": source}, {"name": "two", "url": target}]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"),
        "KUBEDASH_DATA_DIR": str(folder),
        "KUBEDASH_REGISTRIES": json.dumps(declared),
        "KUBEDASH_SYNC_INTERVAL": "0",
        "KUBEDASH_ADMIN_PASSWORD": "the first password",
        "DELETE_IMAGES": "true",
    }


async def start(settings: dict[str, str], *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.work.worker",
        *words,
        env=settings,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def said(process: Process, word: str) -> str:
    """What follows the word in the first line that begins with it."""
    assert process.stdout is not None
    async for line in process.stdout:
        first, _, rest = line.decode().strip().partition(" ")
        if first == word:
            return rest
    raise AssertionError(f"the process ended before it said {word}")


@contextlib.asynccontextmanager
async def house(settings: dict[str, str]) -> AsyncIterator[Services]:
    services = await open_services(load(settings))
    try:
        yield services
    finally:
        await close_services(services)


async def kill(process: Process) -> None:
    """As a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
