"""`tag`, `rm`, `restore` and `history`, and their refusals: proven on the registry itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.push import make_layer, push, push_image
from demo.registry_process import RegistryProcess
from tests.api.test_changes import digests
from tests.cli.conftest import Terminal

DELETE = {"DELETE_IMAGES": "true"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path_factory.mktemp("own")) as registry:
        yield registry


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, own: RegistryProcess) -> Terminal:
    found = Terminal(tmp_path_factory.mktemp("desk"))
    found.run("registry", "add", "own", own.url, "--protected-tag", "prod-*")
    return found


def two_tags(registry: RegistryProcess, repository: str) -> str:
    image = push_image(registry.url, repository, "1.0", layers=[make_layer({"of": repository})])
    push(registry.url, repository, "latest", image)
    return image.digest


def test_rm_shows_deletes_and_restore_brings_back(desk: Terminal, own: RegistryProcess) -> None:
    digest = two_tags(own, "cli/rm")
    plan = desk.run("rm", "own/cli/rm:1.0", "--dry-run", **DELETE)
    assert f"digest: {digest}" in plan.lines
    assert "spares: latest" in plan.lines
    assert desk.run("rm", "own/cli/rm:1.0", "--dry-run", "--json", **DELETE).json["strategy"] == "placeholder"
    assert digests(own, "cli/rm") == {"1.0": digest, "latest": digest}
    refused = desk.run("rm", "own/cli/rm:1.0", code=1, **DELETE)
    assert "--yes" in refused.err
    assert digests(own, "cli/rm") == {"1.0": digest, "latest": digest}
    assert "1.0 is gone" in desk.run("rm", "own/cli/rm:1.0", "--yes", **DELETE).out
    assert digests(own, "cli/rm") == {"latest": digest}
    desk.run("rm", "own/cli/rm:1.0", "--yes", code=1, **DELETE)
    (line,) = desk.run("deleted", "own/cli/rm").lines
    assert (line.split("\t")[0], line.split("\t")[-1]) == ("1.0", digest)
    assert desk.run("deleted", "own/cli/rm", "-q", "latest").lines == []
    desk.run("deleted", "own", code=2)
    assert desk.run("restore", "own/cli/rm:1.0", "--json").json["digest"] == digest
    assert digests(own, "cli/rm") == {"1.0": digest, "latest": digest}
    rows = [line.split("\t") for line in desk.run("history", "own/cli/rm:1.0").lines]
    assert rows[0][2:4] == [digest, "us"]


class AtTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_retypes_the_name(desk: Terminal, own: RegistryProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = two_tags(own, "cli/asked")
    monkeypatch.setattr("tests.cli.conftest.io.StringIO", AtTerminal)
    refused = desk.run("rm", "own/cli/asked:1.0", stdin="latest\n", code=1, **DELETE)
    assert "Type 1.0 to delete it" in refused.err
    assert "spares: latest" in refused.out
    assert digests(own, "cli/asked") == {"1.0": digest, "latest": digest}
    desk.run("rm", "own/cli/asked:1.0", stdin="1.0\n", **DELETE)
    assert digests(own, "cli/asked") == {"latest": digest}


def test_tag_adds_and_moves_only_when_told(desk: Terminal, own: RegistryProcess) -> None:
    digest = two_tags(own, "cli/tag")
    other = push_image(own.url, "cli/tag", "2.0", labels={"n": "2"}).digest
    assert digest in desk.run("tag", "own/cli/tag:1.0", "stable").out
    assert "--yes" in desk.run("tag", "own/cli/tag:2.0", "stable", code=1).err
    assert digests(own, "cli/tag")["stable"] == digest
    assert desk.run("tag", "own/cli/tag:2.0", "stable", "--dry-run", "--json").json["moves"] is True
    assert desk.run("tag", f"own/cli/tag@{other}", "stable", "--yes", "--json").json["old_digest"] == digest
    assert digests(own, "cli/tag")["stable"] == other
    desk.run("tag", "own/cli/tag:1.0", "no such:tag", code=2)


def test_without_the_setting_rm_is_refused(desk: Terminal, own: RegistryProcess) -> None:
    digest = two_tags(own, "cli/off")
    for more in ((), ("--dry-run",), ("--yes",)):
        assert "DELETE_IMAGES" in desk.run("rm", "own/cli/off:1.0", *more, code=1).err
    assert digests(own, "cli/off") == {"1.0": digest, "latest": digest}


def test_protected_tags_are_refused(desk: Terminal, own: RegistryProcess) -> None:
    digest = two_tags(own, "cli/protected")
    desk.run("tag", "own/cli/protected:1.0", "prod-1")
    refused = desk.run("rm", "own/cli/protected:prod-1", "--yes", code=1, **DELETE)
    assert "protected" in refused.err
    assert digests(own, "cli/protected")["prod-1"] == digest


def test_the_audit_trail_is_told(desk: Terminal, own: RegistryProcess) -> None:
    digest = two_tags(own, "cli/audited")
    desk.run("tag", f"own/cli/audited@{digest}", "new")
    (row,) = [line.split("\t") for line in desk.run("audit", "--target", "own/cli/audited:*").lines]
    assert row[2:] == ["cli", "tag.add", "own/cli/audited:new", "done"]
    (entry,) = desk.run("audit", "--target", "cli/audited:new", "--action", "tag.*", "--json").json["items"]
    assert entry["detail"]["plan"]["digest"] == digest
    assert desk.run("audit", "--actor", "nobody", "--json").json["items"] == []


def test_deletion_turned_off_in_the_registry_names_the_setting(tmp_path: Path) -> None:
    with RegistryProcess(tmp_path / "registry", delete=False) as registry:
        digest = two_tags(registry, "app")
        desk = Terminal(tmp_path / "data")
        desk.run("registry", "add", "off", registry.url)
        refused = desk.run("rm", "off/app:1.0", "--yes", code=1, **DELETE)
        assert "storage.delete.enabled" in refused.err
        assert digests(registry, "app") == {"1.0": digest, "latest": digest}
