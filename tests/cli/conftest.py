"""Runs verbs in this process on a data folder with a registry that has been read."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from demo.registry_process import RegistryProcess
from kubedash.cli.main import main
from tests.support.small_registry import REGISTRY_PASSWORD, USER, small_registry


class Outcome:
    """What a verb printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Terminal:
    """`run("registry", "list")` on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, stdin: str = "", code: int | None = 0, **environ: str) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        surroundings = {"KUBEDASH_DATA_DIR": str(self.folder), "KUBEDASH_ADMIN_PASSWORD": "the first one", **environ}
        ended = 0
        with (
            mock.patch.dict(os.environ, surroundings),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main(words)
            except SystemExit as exit_:
                ended = exit_.code if isinstance(exit_.code, int) else 0
        outcome = Outcome(ended, out.getvalue(), err.getvalue())
        assert "Traceback" not in outcome.err
        if code is not None:
            assert outcome.code == code, f"{words}: {outcome.code}\n{outcome.out}\n{outcome.err}"
        return outcome


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with small_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory, registry: RegistryProcess) -> Terminal:
    """With the registry `main` added and read; tests leave it as they found it."""
    found = Terminal(tmp_path_factory.mktemp("data"))
    found.run(
        "registry", "add", "main", registry.url, "--username", USER, "--password-stdin", stdin=f"{REGISTRY_PASSWORD}\n"
    )
    found.run("sync")
    return found


@pytest.fixture
def empty(tmp_path: Path) -> Terminal:
    """On a folder where nothing has been done yet."""
    return Terminal(tmp_path / "data")
