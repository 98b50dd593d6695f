"""`kubedash copy`: plan, question, copy, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.push import push_image
from demo.registry_process import RegistryProcess
from kubedash.registry.client import RegistryClient
from tests.cli.conftest import Terminal


def test_a_copy_is_planned_and_made(terminal: Terminal) -> None:
    plan = terminal.run("copy", "main/library/single:1.0", "main/team/cli", "--dry-run", "--json").json
    assert (plan["tag"], plan["overwrites"], plan["mounts"]) == ("1.0", False, True)
    assert (
        "from: main/library/single@"
        in terminal.run("copy", "main/library/single:1.0", "main/team/cli", "--dry-run").out
    )
    done = terminal.run("copy", "main/library/single:1.0", "main/team/cli:got", "--json").json
    assert (done["job"]["state"], done["digest"]) == ("done", plan["digest"])
    assert done["outcome"]["mounted"] == plan["blobs"]
    assert terminal.run("inspect", "main/team/cli:got", "--json").json["digest"] == plan["digest"]
    again = terminal.run("copy", "main/library/single:1.0", "main/team/cli:got")
    assert again.lines[-1].startswith("Copied to main/team/cli:got")


def test_overwriting_is_asked_about(terminal: Terminal) -> None:
    terminal.run("copy", "main/library/single:1.0", "main/team/cli:over", "--json")
    refused = terminal.run("copy", "main/library/single:1.2", "main/team/cli:over", code=1)
    assert "would be overwritten" in refused.err
    assert "--yes" in refused.err
    done = terminal.run("copy", "main/library/single:1.2", "main/team/cli:over", "--yes")
    assert "Copied to main/team/cli:over" in done.out


def test_attachments_come_along_unless_told_otherwise(terminal: Terminal) -> None:
    plan = terminal.run("copy", "main/team/app/multi:2.0", "main/team/more:1", "--dry-run", "--json").json
    assert [part["role"] for part in plan["parts"]].count("attachment") == 1
    words = ("--no-attachments", "--dry-run", "--json")
    plan = terminal.run("copy", "main/team/app/multi:2.0", "main/team/more:1", *words).json
    assert [part["role"] for part in plan["parts"]] == ["root", "entry", "entry"]


def test_misuse_and_failure(terminal: Terminal) -> None:
    terminal.run("copy", "main/library/single:1.0", "main", code=2)
    terminal.run("copy", "main/library/single:1.0", f"main/x@sha256:{'0' * 64}", code=2)
    terminal.run("copy", f"main/library/single@sha256:{'0' * 64}", "main/x", code=2)
    assert "answered" in terminal.run("copy", "main/library/single:9.9", "main/x", code=1).err


def test_a_registry_that_dies_ends_the_command_and_the_next_one_goes_on(
    empty: Terminal, open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(open_registry.url, "cli/dying", "1", labels={"of": "the dying"})
    upload = RegistryClient.upload_blob
    with RegistryProcess(tmp_path / "other") as other:
        empty.run("registry", "add", "one", open_registry.url)
        empty.run("registry", "add", "two", other.url)

        async def dying(self: RegistryClient, *given: object) -> None:
            await upload(self, *given)  # type: ignore[arg-type]
            other.kill()

        monkeypatch.setattr(RegistryClient, "upload_blob", dying)
        failed = empty.run("copy", "one/cli/dying:1", "two/cli/dying", code=1)
        assert "takes no connections" in failed.err
        monkeypatch.setattr(RegistryClient, "upload_blob", upload)
        other.restart()
        done = empty.run("copy", "one/cli/dying:1", "two/cli/dying", "--json").json
        assert done["job"]["state"] == "done"
        assert done["outcome"]["there"] >= 1
