"""The registry fails or dies at every single request of a deletion: the tag is gone or as before, and we say which."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from demo.push import make_layer, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.errors import KubedashError
from kubedash.oci.reference import RepositoryName
from kubedash.records import ChangeOutcome, ChangeState
from kubedash.registry.retries import IMPATIENT
from kubedash.workflows.settle_changes import settle_all
from tests.changes.bench import Bench, bench_at
from tests.changes.faults import Bridge, Fault, bridge_to
from tests.support.aio import run

MOST_REQUESTS = 60
_EXPECTED = {
    (Fault.REFUSES, True): {ChangeState.FAILED, ChangeState.UNDONE, ChangeState.DONE},
    (Fault.REFUSES, False): {ChangeState.FAILED, ChangeState.DONE},
    (Fault.DIES_BEFORE, True): {ChangeState.FAILED, ChangeState.UNDO_PENDING, ChangeState.DONE},
    (Fault.DIES_BEFORE, False): {ChangeState.UNKNOWN, ChangeState.DONE},
    (Fault.DIES_AFTER, True): {ChangeState.FAILED, ChangeState.UNDO_PENDING, ChangeState.DONE},
    (Fault.DIES_AFTER, False): {ChangeState.UNKNOWN, ChangeState.DONE},
    (Fault.WE_DIE, True): set(),
    (Fault.WE_DIE, False): set(),
}
"""Ends that each fault must have led to, by whether a sibling makes it the placeholder's route."""
GONE, AS_BEFORE = "gone", "as before"


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedash.registry.pool.Patience", lambda: IMPATIENT)


async def _delete(bench: Bench, bridge: Bridge, digest: str) -> tuple[ChangeOutcome | None, int]:
    """How it ended (None: nobody was told), and how many requests that took."""
    work = asyncio.ensure_future(bench.delete("1.0", digest))
    silence = asyncio.ensure_future(bridge.silent.wait())
    await asyncio.wait((work, silence), return_when=asyncio.FIRST_COMPLETED)
    silence.cancel()
    if not work.done():
        work.cancel()
    (ended,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(ended, BaseException):
        assert isinstance(ended, KubedashError | asyncio.CancelledError), ended
        return None, len(bridge.asked)
    return ended, len(bridge.asked)


async def _settled(bench: Bench) -> str | None:
    """What we say in the end, None where it was never begun: the registry answers again, and some time has passed."""
    later = replace(bench.services, clock=lambda: bench.services.clock() + timedelta(hours=1))
    await settle_all(later)
    lines = (await bench.audit(target=f"sample/{bench.repository}:1.0")).items
    if not lines:
        return None
    return GONE if lines[0].outcome == ChangeState.DONE else AS_BEFORE


def _said(outcome: ChangeOutcome | None) -> str | None:
    """What we said at once; None where we said that we do not know yet, or nothing."""
    if outcome is not None and outcome.state in (ChangeState.FAILED, ChangeState.UNDONE):
        return AS_BEFORE
    return GONE if outcome is not None and outcome.state is ChangeState.DONE else None


@pytest.mark.parametrize("siblings", [("latest",), ()], ids=["placeholder", "digest"])
@pytest.mark.parametrize("fault", list(Fault))
def test_whatever_happens_the_tag_is_gone_or_as_before(tmp_path: Path, fault: Fault, siblings: tuple[str, ...]) -> None:
    registry = RegistryProcess(tmp_path / "registry").start()

    async def check() -> None:
        async with (
            bridge_to(registry) as bridge,
            bench_at(tmp_path / "data", bridge.url, "fault/first") as bench,
        ):
            await bench.crawl()
            states = set()
            for at in range(MOST_REQUESTS):
                bench.repository = RepositoryName(f"fault/at{at}")
                image = push_image(registry.url, bench.repository, "1.0", layers=[make_layer({"at": str(at)})])
                for sibling in siblings:
                    push(registry.url, bench.repository, sibling, image)
                bridge.arm(fault, at)
                outcome, requests = await _delete(bench, bridge, image.digest)
                asked = list(bridge.asked)
                bridge.revive()
                if requests <= at:
                    break
                states.add(outcome.state if outcome else None)
                said, finally_said = _said(outcome), await _settled(bench)
                found = await bench.tags()
                where = f"{fault} at request {at}, {asked[at]}: {outcome}"
                assert found.get("1.0") in (None, image.digest), f"{where}: neither gone nor as before: {found}"
                now = GONE if "1.0" not in found else AS_BEFORE
                assert said in (None, now), f"{where}: we said {said}, and it is {now}"
                if outcome is not None:
                    again = (await bench.result(outcome)).outcome
                    assert _said(again) == now, f"{where}: opened later, its page says {again}"
                # Where nothing was begun, the trail need not speak of it.
                assert finally_said in ((None, now) if outcome is None else (now,)), f"{where}: {finally_said}, {now}"
                if fault is not Fault.WE_DIE and outcome is None:
                    assert now == AS_BEFORE, f"{where}: nobody was told that it is gone"
                assert {tag: found.get(tag) for tag in siblings} == dict.fromkeys(siblings, image.digest), where
                assert found.keys() <= {"1.0", *siblings}
            else:
                raise AssertionError("the deletion never came to its end")
            assert {None, *_EXPECTED[fault, bool(siblings)]} <= states

    try:
        run(check())
    finally:
        registry.stop()
