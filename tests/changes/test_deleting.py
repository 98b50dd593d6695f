"""Deleting one tag on Debian's docker-registry 2.8, which cannot: what is not named stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.push import OCI_MANIFEST, make_artifact, make_image, make_index, make_layer, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.errors import Conflict, Moved, NotFound
from kubedash.oci.reference import Tag
from kubedash.policy.deletion import DeletionChoices
from kubedash.policy.placeholder import make_placeholder
from kubedash.records import ChangeState, DeleteAbility, Strategy
from kubedash.registry.client import ManifestHead
from kubedash.workflows import deletion_survey
from kubedash.workflows.changing import Place
from tests.changes.bench import bench_at
from tests.interop.tools import needed
from tests.support.aio import run


def test_one_of_two_tags_goes_and_the_other_stays(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """Also where the index knows nothing of the repository yet."""
    image = push_image(open_registry.url, "del/shared", "1.0", labels={"test": "shared"})
    push(open_registry.url, "del/shared", "latest", image)

    async def check() -> None:
        async with bench_at(tmp_path, open_registry.url, "del/shared") as bench:
            plan = await bench.plan("1.0")
            assert (plan.strategy, plan.removes, plan.spares) == (Strategy.PLACEHOLDER, ("1.0",), ("latest",))
            assert (plan.digest, plan.bytes_freed, plan.refused) == (image.digest, 0, None)
            assert [call.method for call in plan.calls][:2] == ["HEAD", "DELETE"]
            outcome = await bench.delete("1.0", image.digest)
            assert (outcome.state, outcome.removed, outcome.verified) == (ChangeState.DONE, ("1.0",), ("latest",))
            assert outcome.restorable
            assert await bench.tags() == {"latest": image.digest}
            lines = (await bench.audit(action="tag.delete")).items
            assert [(line.target, line.outcome) for line in lines] == [("sample/del/shared:1.0", "done")]
            assert lines[0].detail["plan"]["spares"] == ["latest"]
            with pytest.raises(NotFound):
                await bench.plan("1.0")

    run(check())


def test_the_only_tag_goes_with_its_manifest(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """Only what nothing else of the registry shares is counted as freed."""
    own, shared = make_layer({"own": "alone" * 99}), make_layer({"shared": "of two"})
    image = push_image(open_registry.url, "del/alone", "1.0", layers=[shared, own])
    push_image(open_registry.url, "del/other", "1.0", layers=[shared])

    async def check() -> None:
        async with bench_at(tmp_path, open_registry.url, "del/alone") as bench:
            await bench.crawl()
            plan = await bench.plan("1.0")
            assert plan.strategy is Strategy.DIGEST
            assert plan.bytes_freed == len(image.blobs[0]) + len(own)
            outcome = await bench.delete("1.0")
            assert outcome.state is ChangeState.DONE
            assert await bench.tags() == {}
            assert await bench.digest(image.digest) is None

    run(check())


def test_what_is_pushed_while_all_tags_are_asked_is_spared(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, repository = open_registry.url, "delete/overtaken"
    image = push_image(url, repository, "1.0", labels={"n": "overtaken"})
    push_image(url, repository, "other", labels={"n": "other"})
    heads_of = deletion_survey.heads_of

    async def overtaken(place: Place, identifiers: Collection[str]) -> dict[str, ManifestHead]:
        found = await heads_of(place, identifiers)
        if "other" in identifiers:
            push(url, repository, "release", image)
        return found

    async def check() -> None:
        async with bench_at(tmp_path, url, repository) as bench:
            await bench.crawl()
            monkeypatch.setattr(deletion_survey, "heads_of", overtaken)
            outcome = await bench.delete("1.0", image.digest)
            assert outcome.state is ChangeState.DONE
            assert outcome.verified == ("release",)
            assert await bench.digest("release") == image.digest
            assert await bench.digest("1.0") is None

    run(check())


def test_an_index_keeps_its_child(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """The child's tag goes, the child stays; deleting the child itself is refused, whoever knows of the index."""
    children = [make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    index = make_index(children)

    async def check() -> None:
        async with bench_at(tmp_path, open_registry.url, "del/multi") as bench:
            push(open_registry.url, "del/multi", "amd", children[0])
            await bench.crawl()
            push(open_registry.url, "del/multi", "multi", index)
            plan = await bench.plan("amd")
            assert (plan.strategy, plan.parents) == (Strategy.PLACEHOLDER, (index.digest,))
            refused = await bench.plan(children[0].digest)
            assert refused.strategy is Strategy.REFUSE
            assert index.digest[:19] in (refused.refused or "")
            with pytest.raises(Conflict, match="part of the index"):
                await bench.delete(children[0].digest)
            assert (await bench.delete("amd")).state is ChangeState.DONE
            assert await bench.tags() == {"multi": index.digest}
            assert await bench.digest(children[0].digest) == children[0].digest

    run(check())


def test_a_tag_that_moved_is_left_alone(open_registry: RegistryProcess, tmp_path: Path) -> None:
    first = push_image(open_registry.url, "del/moved", "1.0", labels={"n": "1"})

    async def check() -> None:
        async with bench_at(tmp_path, open_registry.url, "del/moved") as bench:
            plan = await bench.plan("1.0")
            second = push_image(open_registry.url, "del/moved", "1.0", labels={"n": "2"})
            with pytest.raises(Moved) as caught:
                await bench.delete("1.0", plan.digest)
            assert first.digest in caught.value.message
            assert second.digest in caught.value.message
            assert await bench.tags() == {"1.0": second.digest}
            assert [line.outcome for line in (await bench.audit()).items][:1] == ["moved"]

    run(check())


def test_protected_tags_stay(open_registry: RegistryProcess, tmp_path: Path) -> None:
    image = push_image(open_registry.url, "del/protected", "v1.0", labels={"n": "protected"})
    push(open_registry.url, "del/protected", "old", image)

    async def check() -> None:
        async with bench_at(tmp_path, open_registry.url, "del/protected", protected=("v*", "latest")) as bench:
            plan = await bench.plan("v1.0")
            assert plan.strategy is Strategy.REFUSE
            assert "v*" in (plan.refused or "")
            with pytest.raises(Conflict, match="protected"):
                await bench.delete("v1.0")
            with pytest.raises(Conflict, match="protected"):
                await bench.delete(image.digest)
            assert (await bench.delete("old")).verified == ("v1.0",)
            assert await bench.tags() == {"v1.0": image.digest}

    run(check())


@pytest.mark.parametrize("name", ["docker-registry", "registry"], ids=["distribution 2.8", "distribution 3"])
def test_deletion_that_is_turned_off_leaves_the_tag(tmp_path: Path, name: str) -> None:
    """And names the setting. Distribution 3.0 would delete tags all the same: whoever runs it said no."""
    with RegistryProcess(tmp_path / "registry", delete=False, program=needed(name)) as registry:
        image = push_image(registry.url, "app", "1.0")
        push(registry.url, "app", "latest", image)

        async def check() -> None:
            async with bench_at(tmp_path / "data", registry.url, "app") as bench:
                plan = await bench.plan("1.0")
                assert plan.strategy is Strategy.REFUSE
                assert "405 UNSUPPORTED" in (plan.refused or "")
                assert "storage.delete.enabled" in (plan.remedy or "")
                assert plan.capabilities is not None
                assert plan.capabilities.delete is DeleteAbility.DISABLED
                with pytest.raises(Conflict) as caught:
                    await bench.delete("1.0")
                assert "storage.delete.enabled" in (caught.value.hint or "")
                assert await bench.tags() == {"1.0": image.digest, "latest": image.digest}

        run(check())


def test_what_was_remembered_is_tried_again_before_the_tag_is_touched(tmp_path: Path) -> None:
    """Deletion was on when it was planned and is off now: the placeholder never gets under the tag."""
    registry = RegistryProcess(tmp_path / "registry").start()
    try:
        image = push_image(registry.url, "app", "1.0")
        push(registry.url, "app", "latest", image)

        async def check() -> None:
            async with bench_at(tmp_path / "data", registry.url, "app") as bench:
                assert (await bench.plan("1.0")).strategy is Strategy.PLACEHOLDER
                registry.restart(delete=False)
                outcome = await bench.delete("1.0")
                assert outcome.state is ChangeState.FAILED
                assert "storage.delete.enabled" in (outcome.hint or "")
                assert await bench.tags() == {"1.0": image.digest, "latest": image.digest}

        run(check())
    finally:
        registry.stop()


def test_signatures_are_named_and_go_along_where_that_is_chosen(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, name = open_registry.url, "del/signed"
    children = [make_image(platform=platform, labels={"n": "signed"}) for platform in ("linux/amd64", "linux/arm64")]
    index = make_index(children)
    push(url, name, "1.0", index)
    push(url, name, "keep", children[1])
    payload = ("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
    signature = make_artifact([payload])
    signature_tag = f"{index.digest.replace(':', '-')}.sig"
    push(url, name, signature_tag, signature)
    sbom = make_artifact([("application/spdx+json", b'{"spdxVersion": "SPDX-2.3"}')], subject=index)
    push(url, name, None, sbom)
    push(url, name, index.digest.replace(":", "-"), make_index([sbom]))

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            await bench.crawl()
            plan = await bench.plan("1.0")
            assert plan.strategy is Strategy.DIGEST
            orphans = {orphan.digest: orphan for orphan in plan.orphans}
            assert {signature.digest, sbom.digest, children[0].digest} < orphans.keys()
            assert children[1].digest not in orphans
            assert orphans[signature.digest].tag == signature_tag
            outcome = await bench.delete("1.0", index.digest, DeletionChoices(take_orphans=True))
            assert outcome.state is ChangeState.DONE
            assert outcome.orphans_left == ()
            assert await bench.tags() == {"keep": children[1].digest}
            for gone in (index, signature, sbom, children[0]):
                assert await bench.digest(gone.digest) is None
            back = await bench.restore("1.0")
            assert (back.state, back.digest) == (ChangeState.DONE, index.digest)
            assert set(back.put_back) > {signature.digest, sbom.digest}
            fallback = index.digest.replace(":", "-")
            assert (await bench.tags()).keys() == {"1.0", "keep", fallback, signature_tag}
            for there in (index, signature, sbom, children[0]):
                assert await bench.digest(there.digest) == there.digest
            again = await bench.plan("1.0")
            assert {orphan.digest for orphan in again.orphans} == orphans.keys()

    run(check())


def test_a_crawl_in_the_middle_sees_no_placeholder(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """It comes between the two steps: neither the list nor the history may ever show what was there for a moment."""
    url, name = open_registry.url, "del/crawled"
    image = push_image(url, name, "1.0", labels={"test": "crawled"})
    made = make_placeholder(Tag("1.0"), OCI_MANIFEST, datetime(2026, 5, 1, tzinfo=UTC), "nonce")

    async def check() -> None:
        async with bench_at(tmp_path, url, name) as bench:
            await bench.crawl()
            for blob in (made.layer, made.config):
                await bench.client.push_blob(bench.repository, blob)
            for tag in ("1.0", "unknown"):
                await bench.client.put_manifest(bench.repository, tag, made.manifest, made.media_type)
            await bench.crawl()
            history = await bench.history("1.0")
            assert [(line.digest, line.until) for line in history.entries] == [(image.digest, None)]
            with pytest.raises(NotFound):
                await bench.history("unknown")

    run(check())
