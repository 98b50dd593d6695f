"""Adding, moving, rolling back and restoring tags on Debian's docker-registry: the bytes stay, the digest too."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.push import OCI_INDEX, OCI_MANIFEST, make_artifact, make_image, make_index, push, push_image, push_manifest
from demo.registry_process import RegistryProcess
from kubedash.errors import Conflict, Moved, NotFound
from kubedash.oci.digest import Digest
from kubedash.records import ChangeState, Strategy
from kubedash.workflows.retag import ABSENT
from tests.changes.bench import bench_at
from tests.support.aio import run
from tests.support.schema1 import make_schema1


def test_a_new_tag_has_the_same_digest_and_skopeo_pulls_it(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """An index whose JSON nobody would write again the same way, an image, and an artifact."""
    url, name = open_registry.url, "point/new"
    index = make_index([make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")])
    push(url, name, "multi", index)
    odd = index.manifest.replace(b"{", b"{\n\t  ", 1)
    push_manifest(url, name, "odd", odd, OCI_INDEX)
    image = push_image(url, name, "app", docker=True, labels={"n": "new"})
    push(url, name, "table", make_artifact([("text/csv", b"a,b")], artifact_type="application/vnd.example.table.v1"))

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            for source in ("odd", "app", "table", image.digest):
                before = await bench.digest(source)
                plan = await bench.plan_retag(source, f"copy-of-{source[:5]}".replace(":", "-"))
                assert (plan.digest, plan.old_digest, plan.moves) == (before, None, False)
                outcome = await bench.retag(source, plan.tag, ABSENT)
                assert (outcome.state, outcome.digest, outcome.action) == (ChangeState.DONE, before, "tag.add")
                assert await bench.digest(plan.tag) == before
            history = await bench.history("copy-of-odd")
            assert [(line.digest, line.seen_by, line.actor, line.until) for line in history.entries] == [
                (Digest.of(odd), "us", "admin", None)
            ]

    run(check())
    host = url.removeprefix("http://")
    for tag in ("copy-of-odd", "copy-of-app"):
        source, target = f"docker://{host}/{name}:{tag}", f"oci:{tmp_path / tag}:1"
        subprocess.run(
            ["skopeo", "copy", "--all", "--src-tls-verify=false", source, target], check=True, capture_output=True
        )


def test_a_move_is_shown_guarded_and_rolled_back(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, name = open_registry.url, "point/move"
    first = push_image(url, name, "1.0", labels={"n": "1"})
    second = push_image(url, name, "2.0", labels={"n": "2"})
    push(url, name, "latest", first)

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            await bench.crawl()
            plan = await bench.plan_retag("2.0", "latest")
            assert (plan.moves, plan.old_digest, plan.digest) == (True, first.digest, second.digest)
            with pytest.raises(Moved):
                await bench.retag("2.0", "latest", ABSENT)
            with pytest.raises(Moved):
                await bench.retag("2.0", "latest", second.digest)
            assert await bench.digest("latest") == first.digest
            outcome = await bench.retag("2.0", "latest", first.digest)
            assert (outcome.state, outcome.action) == (ChangeState.DONE, "tag.move")
            assert outcome.restorable
            back = await bench.restore("latest", expected=second.digest)
            assert (back.state, back.digest, back.action) == (ChangeState.DONE, first.digest, "tag.restore")
            assert await bench.tags() == {"1.0": first.digest, "2.0": second.digest, "latest": first.digest}
            history = await bench.history("latest")
            assert [(line.digest, line.seen_by, line.ended_by) for line in history.entries] == [
                (first.digest, "us", None),
                (second.digest, "us", "us"),
                (first.digest, "crawl", "us"),
            ]
            with pytest.raises(NotFound, match="not known to have led there"):
                await bench.restore("1.0", second.digest)

    run(check())


def test_protected_tags_are_not_moved_but_may_be_added(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, name = open_registry.url, "point/protected"
    first = push_image(url, name, "1.0", labels={"n": "1"})
    push_image(url, name, "2.0", labels={"n": "2"})

    async def check() -> None:
        async with bench_at(tmp_path, url, name, protected=("prod-*",)) as bench:
            assert (await bench.retag("1.0", "prod-1")).state is ChangeState.DONE
            assert (await bench.plan_retag("2.0", "prod-1")).refused is not None
            with pytest.raises(Conflict, match="protected by the pattern prod-"):
                await bench.retag("2.0", "prod-1")
            assert await bench.digest("prod-1") == first.digest

    run(check())


def test_the_oldest_format_is_refused(tmp_path: Path) -> None:
    raw, _, blobs = make_schema1("legacy", "1")
    with RegistryProcess(tmp_path / "registry", schema1=True) as registry:
        push(registry.url, "legacy", "other", make_image(layers=list(blobs)))
        media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        push_manifest(registry.url, "legacy", "1", raw, media_type)

        async def check() -> None:
            async with bench_at(tmp_path / "data", registry.url, "legacy") as bench:
                with pytest.raises(Conflict, match="oldest format"):
                    await bench.retag("1", "2")

        run(check())


@pytest.mark.parametrize("siblings", [0, 1])
def test_a_deleted_index_comes_back_whole(open_registry: RegistryProcess, tmp_path: Path, siblings: int) -> None:
    url, name = open_registry.url, f"point/back{siblings}"
    index = make_index([make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")])
    push(url, name, "1.0", index)
    for number in range(siblings):
        push(url, name, f"s{number}", index)

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            gone = await bench.delete("1.0")
            assert gone.strategy is (Strategy.PLACEHOLDER if siblings else Strategy.DIGEST)
            assert await bench.digest("1.0") is None
            plan = await bench.plan_restore("1.0")
            assert (plan.digest, plan.old_digest, plan.missing) == (index.digest, None, ())
            outcome = await bench.restore("1.0", expected=ABSENT)
            assert (outcome.state, outcome.digest) == (ChangeState.DONE, index.digest)
            assert (await bench.tags())["1.0"] == index.digest
            history = await bench.history("1.0")
            newest = history.entries[0]
            assert (newest.seen_by, newest.actor, newest.ended_by, newest.until) == ("us", "admin", None, None)
            before = history.entries[1]
            assert (before.digest, before.ended_by, before.ended_actor) == (index.digest, "us", "admin")

    run(check())


def test_what_no_crawl_has_seen_comes_back_too(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """Pushed since the last crawl, and deleted before the next one."""
    url, name = open_registry.url, "point/unseen"

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            await bench.crawl()
            image = push_image(url, name, "1.0", labels={"n": "unseen"})
            push(url, name, "latest", image)
            await bench.delete("1.0")
            await bench.delete(image.digest)
            assert await bench.tags() == {}
            assert (await bench.restore("1.0")).digest == image.digest
            assert (await bench.restore("latest")).digest == image.digest
            assert await bench.tags() == {"1.0": image.digest, "latest": image.digest}

    run(check())


def test_what_garbage_collection_took_is_named(tmp_path: Path) -> None:
    """The registry's own garbage collection ran: neither a layer nor a lie comes back."""
    with RegistryProcess(tmp_path / "registry") as registry:
        image = push_image(registry.url, "app", "1.0", labels={"n": "collected"})

        async def delete() -> None:
            async with bench_at(tmp_path / "data", registry.url, "app") as bench:
                await bench.delete("1.0")
                registry.stop()
                program = shutil.which("docker-registry")
                assert program is not None
                config = registry.folder / "config.yml"
                subprocess.run([program, "garbage-collect", str(config)], check=True, capture_output=True)
                registry.restart()
                plan = await bench.plan_restore("1.0")
                config_digest = json.loads(image.manifest)["config"]["digest"]
                assert config_digest in plan.missing
                assert "garbage collection" in (plan.refused or "")
                with pytest.raises(Conflict, match="no longer has all parts"):
                    await bench.restore("1.0")
                assert await bench.tags() == {}

        run(delete())


def test_a_registry_that_remembers_what_is_gone_is_said_to_need_a_restart(tmp_path: Path) -> None:
    """Its garbage was collected while it ran: it takes the manifest, and has nothing."""
    with RegistryProcess(tmp_path / "registry") as registry:
        push_image(registry.url, "app", "1.0", labels={"n": "remembered"})

        async def restore() -> None:
            async with bench_at(tmp_path / "data", registry.url, "app") as bench:
                await bench.delete("1.0")
                program = shutil.which("docker-registry")
                assert program is not None
                config = registry.folder / "config.yml"
                subprocess.run([program, "garbage-collect", str(config)], check=True, capture_output=True)
                outcome = await bench.restore("1.0")
                assert outcome.state is ChangeState.FAILED
                assert "restart the registry" in (outcome.hint or "")
                registry.restart()
                with pytest.raises(Conflict, match="no longer has all parts"):
                    await bench.restore("1.0")

        run(restore())


def test_an_index_gets_its_lost_entries_back(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, name = open_registry.url, "point/entries"
    children = [make_image(platform=platform, labels={"n": "entries"}) for platform in ("linux/amd64", "linux/s390x")]
    index = make_index(children)
    push(url, name, "1.0", index)

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            await bench.crawl()
            await bench.delete("1.0")
            for child in children:
                assert (await bench.delete(child.digest)).state is ChangeState.DONE
            plan = await bench.plan_restore("1.0")
            assert sum(call.method == "PUT" for call in plan.calls) == 3
            assert (await bench.restore("1.0")).digest == index.digest
            for child in children:
                assert (await bench.client.get_manifest(bench.repository, child.digest)).media_type == OCI_MANIFEST

    run(check())
