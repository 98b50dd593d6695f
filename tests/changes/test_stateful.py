"""Random changes of a real registry, with others pushing at the same time: model and registry agree after each step.

No sibling is ever lost, no index is ever broken, no digest changes. `CHANGE_OPERATIONS=1000` runs so many
operations on each registry.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from demo import push
from demo.push import Sample
from kubedash.errors import Conflict, NotFound
from kubedash.oci.reference import RepositoryName
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import ChangeState, Strategy
from kubedash.storage import repositories, tags
from kubedash.workflows.lookup import registry_named
from tests.changes.bench import NAME, Bench, bench_at
from tests.interop.registries import DISTRIBUTION_2, DISTRIBUTION_3, ZOT, running

USUAL: Final = 80
OPERATIONS: Final = int(os.environ.get("CHANGE_OPERATIONS", USUAL))
STEPS: Final = 20
EXAMPLES: Final = max(1, OPERATIONS // 5)
"""More than are needed: an example leaves some of the rules out, and whoever comes late finds nothing to do."""
POOL: Final = "pool/all"
T = TypeVar("T")


def _contents() -> dict[str, Sample]:
    """Images, indexes that share some of them, one index of an index's image, and an artifact."""
    images = [
        push.make_image(platform=platform, docker=docker, labels={"n": str(number)})
        for number, (platform, docker) in enumerate(
            [("linux/amd64", False), ("linux/arm64", False), ("linux/s390x", False), ("linux/amd64", True)]
        )
    ]
    return {
        "image-0": images[0],
        "image-1": images[1],
        "image-2": images[2],
        "docker": images[3],
        "index-01": push.make_index(images[:2]),
        "index-12": push.make_index(images[1:3]),
        "table": push.make_artifact([("text/csv", b"a,b")], artifact_type="application/vnd.example.table.v1"),
    }


CONTENTS: Final = _contents()
BY_DIGEST: Final = {sample.digest: sample for sample in CONTENTS.values()}
TAGS: Final = ("1.0", "1.1", "2.0", "latest", "edge")
_content = st.sampled_from(sorted(CONTENTS))
_tag = st.sampled_from(TAGS)


class Yard:
    """One registry and one house for a whole run; every example has a repository of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.numbers = count(1)
        self.operations = 0
        self.strategies: set[str] = set()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.bench: Bench = self.run(self._stack.enter_async_context(bench_at(folder, url, "first")))
        for name, sample in CONTENTS.items():
            push.push(url, POOL, name, sample)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()


class Changes(RuleBasedStateMachine):
    """What people and others do to one repository."""

    yard: Yard
    ended = True
    """So many operations as were asked for have been done."""
    looking = False

    @initialize(first=_content)
    def begin(self, first: str) -> None:
        self.ended = self.yard.operations >= OPERATIONS
        if self.ended:
            return
        self.looking = True
        self.name = f"work/n{next(self.yard.numbers)}"
        self.bench = self.yard.bench
        self.bench.repository = RepositoryName(self.name)
        self.model: dict[str, str] = {}
        self.pointed: dict[str, list[str]] = {}
        self._push("1.0", first)
        self._push("latest", first)

    # What others do.

    def _push(self, tag: str, content: str) -> None:
        push.push(self.yard.url, self.name, tag, CONTENTS[content])
        self._moved(tag, CONTENTS[content].digest)

    def _moved(self, tag: str, digest: str | None) -> None:
        if digest is None:
            self.model.pop(tag, None)
        else:
            self.model[tag] = digest

    @rule(tag=_tag, content=_content)
    def somebody_pushes(self, tag: str, content: str) -> None:
        if self._late():
            return
        self._push(tag, content)

    @rule()
    def crawl(self) -> None:
        """The index catches up, and has exactly what the registry has."""
        if not self.ended:
            self.yard.run(self._crawl())

    async def _crawl(self) -> None:
        services = self.bench.services
        job = await services.jobs.sync_repository(NAME, self.name, again=True)
        while job.state in ("queued", "running"):
            await asyncio.sleep(0.005)
            job = await services.jobs.find(job.id) or job
        assert await self._indexed() == self.model

    async def _indexed(self) -> dict[str, str]:
        async with self.bench.services.database.read() as session:
            registry = await registry_named(session, NAME)
            found = await repositories.find(session, registry.id, self.name)
            assert found is not None
            return dict(await tags.known(session, found.id))

    # What we do.

    @rule(tag=_tag, take_orphans=st.booleans(), tag_only=st.booleans())
    def delete_tag(self, tag: str, take_orphans: bool, tag_only: bool) -> None:
        if self._late():
            return
        choices = DeletionChoices(take_orphans=take_orphans, tag_only=tag_only)
        self.yard.run(self._delete(tag, choices))

    async def _delete(self, tag: str, choices: DeletionChoices) -> None:
        if tag not in self.model:
            with pytest.raises(NotFound):
                await self.bench.plan(tag, choices)
            return
        digest = self.model[tag]
        siblings = {other for other, found in self.model.items() if found == digest and other != tag}
        plan = await self.bench.plan(tag, choices)
        assert plan.refused is None
        assert (set(plan.removes), plan.digest) == ({tag}, digest)
        assert set(plan.spares) == siblings or plan.strategy is Strategy.NATIVE
        if siblings or self._indexes_of(digest):
            assert plan.strategy is not Strategy.DIGEST
        outcome = await self.bench.delete(tag, digest, choices)
        self.yard.strategies.add(str(outcome.strategy))
        assert outcome.state is ChangeState.DONE, outcome
        assert outcome.repaired == ()
        self._noted(tag, digest)
        self._moved(tag, None)
        assert tag not in await self._indexed()

    def _indexes_of(self, digest: str) -> set[str]:
        """The tagged indexes that need it."""
        return {
            found for found in self.model.values() if digest in {child.digest for child in BY_DIGEST[found].children}
        }

    def _noted(self, tag: str, digest: str) -> None:
        """We were there: the history can bring it back."""
        self.pointed.setdefault(tag, []).append(digest)

    @rule(content=_content)
    def delete_manifest(self, content: str) -> None:
        if self._late():
            return
        self.yard.run(self._delete_manifest(CONTENTS[content].digest))

    async def _delete_manifest(self, digest: str) -> None:
        going = {tag for tag, found in self.model.items() if found == digest}
        try:
            outcome = await self.bench.delete(digest)
        except NotFound:
            assert not going
            return
        except Conflict:
            assert (await self.bench.plan(digest)).parents
            return
        assert not self._indexes_of(digest), "the entry of an index was deleted"
        assert outcome.state is ChangeState.DONE, outcome
        assert set(outcome.removed) == going
        for tag in going:
            self._noted(tag, digest)
            self._moved(tag, None)

    @rule(source=_tag, tag=_tag)
    def retag(self, source: str, tag: str) -> None:
        if self._late():
            return
        self.yard.run(self._retag(source, tag))

    async def _retag(self, source: str, tag: str) -> None:
        if source not in self.model:
            with pytest.raises(NotFound):
                await self.bench.retag(source, tag)
            return
        before = self.model.get(tag)
        outcome = await self.bench.retag(source, tag, before or "absent")
        assert (outcome.state, outcome.digest) == (ChangeState.DONE, self.model[source])
        if before is not None:
            self._noted(tag, before)
        self._noted(tag, self.model[source])
        self._moved(tag, self.model[source])

    @rule(tag=_tag, choice=st.integers(0, 9))
    def restore(self, tag: str, choice: int) -> None:
        """A deleted tag comes back, or one is rolled back; the layers are all there, as nothing is collected."""
        if self._late():
            return
        if self.pointed.get(tag):
            known = self.pointed[tag]
            self.yard.run(self._restore(tag, known[choice % len(known)]))

    async def _restore(self, tag: str, digest: str) -> None:
        before = self.model.get(tag)
        outcome = await self.bench.restore(tag, digest, before or "absent")
        assert (outcome.state, outcome.digest) == (ChangeState.DONE, digest), outcome
        if before is not None:
            self._noted(tag, before)
        self._moved(tag, digest)

    # Both at the same time.

    @rule(tag=_tag, other=_tag, content=_content)
    def delete_while_skopeo_pushes(self, tag: str, other: str, content: str) -> None:
        """Another tag, or the very same: then either of the two came last."""
        if self._late():
            return
        digest = self.model.get(tag)
        pushed = CONTENTS[content]
        needed = {pushed.digest, *(child.digest for child in pushed.children)}
        siblings = [name for name, found in self.model.items() if found == digest and name not in (tag, other)]
        if digest is None or (digest in needed and not siblings):
            # Deleting a manifest while somebody pushes that very one has no right answer.
            return
        self.yard.run(self._delete_beside_skopeo(tag, other, content))

    async def _delete_beside_skopeo(self, tag: str, other: str, content: str) -> None:
        host = self.yard.url.removeprefix("http://")
        before, pushed = self.model[tag], CONTENTS[content].digest
        process = await asyncio.create_subprocess_exec(
            "skopeo",
            "copy",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"docker://{host}/{POOL}:{content}",
            f"docker://{host}/{self.name}:{other}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        outcome = await asyncio.gather(self.bench.delete(tag), process.communicate(), return_exceptions=True)
        assert process.returncode == 0, outcome[1]
        ended = outcome[0]
        if isinstance(ended, BaseException):
            raise ended
        self._noted(tag, before)
        if other != tag:
            assert ended.state is ChangeState.DONE, ended
            self._moved(tag, None)
            self._moved(other, pushed)
            return
        found = await self.bench.digest(tag)
        assert found in (None, pushed), f"{tag} is neither gone nor what skopeo pushed: {found}"
        self._moved(tag, found)

    def _late(self) -> bool:
        """Whether enough has been done; otherwise this is one operation more.

        Rules look for themselves: were they left out, examples would depend on what came before.
        """
        self.ended = self.yard.operations >= OPERATIONS
        self.yard.operations += not self.ended
        return self.ended

    @invariant()
    def registry_and_model_agree(self) -> None:
        if self.looking:
            self.looking = not self.ended
            self.yard.run(self._compare())

    async def _compare(self) -> None:
        assert await self.bench.tags() == self.model
        entries = {child.digest for digest in self.model.values() for child in BY_DIGEST[digest].children}
        for digest in entries:
            assert await self.bench.digest(digest) == digest, "an index is broken"


@pytest.mark.timeout(300 + 5 * OPERATIONS)
@pytest.mark.parametrize("kind", [DISTRIBUTION_2, DISTRIBUTION_3, ZOT])
def test_random_changes_lose_nothing(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path / "registry") as url:
        yard = Yard(tmp_path / "data", url)

        class Here(Changes):
            pass

        Here.yard = yard
        try:
            run_state_machine_as_test(
                Here,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    derandomize=OPERATIONS <= USUAL,
                    phases=(Phase.generate,),
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            yard.close()
        print(f"{kind}: {yard.operations} operations by {', '.join(sorted(yard.strategies))}")
        expected = {"placeholder", "digest_delete"} if kind == DISTRIBUTION_2 else {"native_tag_delete"}
        assert yard.strategies == expected
