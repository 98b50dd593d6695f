"""Programs that nobody here wrote. A test is skipped where its program is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

BUILT: Final = Path(__file__).resolve().parents[2] / ".tools"
"""Where `make peers` puts what it builds."""
INSTALLED: Final = Path(sys.executable).parent
SECONDS: Final = 120


def find(name: str) -> str | None:
    """The program that `make peers` built, or one beside this Python, or one on PATH."""
    return next(filter(None, (shutil.which(name, path=str(place)) for place in (BUILT, INSTALLED))), shutil.which(name))


def needed(name: str) -> str:
    """The program's path; without it the test is skipped."""
    program = find(name)
    if program is None:
        pytest.skip(f"{name} is neither in .tools (make peers) nor on PATH")
    return program


class Desk:
    """A folder to work in with these programs; nothing of the person's own configuration is read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "DOCKER_CONFIG": str(folder / "docker"),
            "COSIGN_PASSWORD": "",
            "SYFT_CHECK_FOR_APP_UPDATE": "false",
            "SYFT_REGISTRY_INSECURE_USE_HTTP": "true",
        }

    def run(self, name: str, *words: str | Path, **environment: str) -> str:
        """What the program prints. Fails with all that it said where it fails."""
        done = subprocess.run(
            [needed(name), *map(str, words)],
            cwd=self.folder,
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{name} {' '.join(map(str, words))}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path
