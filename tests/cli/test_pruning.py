"""`kubedash prune`: dry run, question, and exit codes."""

from __future__ import annotations

import pytest

from demo.push import push_image
from demo.registry_process import RegistryProcess
from tests.cli.conftest import Terminal

ON = {"DELETE_IMAGES": "true"}


@pytest.fixture
def place(empty: Terminal, open_registry: RegistryProcess) -> str:
    empty.run("registry", "add", "main", open_registry.url)
    for tag in ("pr-1", "pr-2", "main"):
        push_image(open_registry.url, "cli/prune", tag, labels={"tag": tag})
    return "main/cli/prune"


def test_a_dry_run_a_question_and_the_deed(empty: Terminal, place: str) -> None:
    plan = empty.run("prune", place, "--match", "pr-*", "--dry-run", "--json", **ON).json
    assert [tag["name"] for tag in plan["tags"]] == ["pr-1", "pr-2"]
    lines = empty.run("prune", place, "--match", "pr-*", "--dry-run", **ON).lines
    assert lines[0].startswith("pr-1\timage\t")
    assert "deletes: 2 tags (2 by digest_delete)" in lines
    unasked = empty.run("prune", place, "--match", "pr-*", code=1, **ON)
    assert "--yes" in unasked.err
    done = empty.run("prune", place, "--match", "pr-*", "--yes", **ON)
    assert done.lines[-1] == "2 of 2 tags deleted, 0 were gone, 0 failed."
    assert [line.partition("\t")[0] for line in empty.run("ls", place).lines] == ["main"]
    nothing = empty.run("prune", place, "--match", "pr-*", "--yes", code=1, **ON)
    assert "No tag is chosen" in nothing.err


def test_misuse_and_refusals(empty: Terminal, place: str) -> None:
    assert "DELETE_IMAGES" in empty.run("prune", place, "--all", "--dry-run", code=1).err
    empty.run("prune", place, code=2, **ON)
    empty.run("prune", "main", "--all", code=2, **ON)
    empty.run("prune", place, "--older-than", "-3", code=2, **ON)
    empty.run("prune", "main/no/such", "--all", code=1, **ON)
