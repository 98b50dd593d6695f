"""`make demo` comes up, says where, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _processes_of(folder: Path) -> list[int]:
    """Who runs with this folder in its arguments or environment, ourselves apart."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in said:
            found.append(int(entry.name))
    return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-u",
        "-m",
        "demo.run",
        "--folder",
        str(tmp_path / "demo"),
        "--tags",
        "30",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_starts_and_ends_without_a_trace(
    demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if "Ready after" in line:
            break
    assert "is indexed" in said
    found = re.search(r"Open\s+(http://\S+)", said)
    assert found is not None
    with urllib.request.urlopen(f"{found[1]}/healthz") as answer:
        assert answer.status == 200
    # As a terminal does it: everybody in the foreground hears a Ctrl-C.
    os.killpg(demo.pid, number) if number is signal.SIGINT else demo.send_signal(number)
    rest = demo.stdout.read()
    assert demo.wait(30) == 0, rest
    assert "Stopped." in rest
    assert _processes_of(tmp_path) == []
