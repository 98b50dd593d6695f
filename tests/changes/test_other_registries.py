"""Registries that are not to be had here, as their documentation and users describe them."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.push import make_image
from kubedash.errors import Conflict
from kubedash.records import ChangeState, Strategy
from tests.changes.bench import bench_at
from tests.changes.pretended import NAME, Pretended
from tests.support.aio import run
from tests.support.scripted import scripted

DISTRIBUTION = {"Docker-Distribution-Api-Version": "registry/2.0"}


def test_harbor_is_asked_by_its_own_api(tmp_path: Path) -> None:
    harbor = Pretended({"X-Harbor-Csrf-Token": "x", **DISTRIBUTION}, by_tag="unsupported")
    image = harbor.hold(make_image(), "1.0", "latest")

    async def check() -> None:
        async with scripted(harbor) as server, bench_at(tmp_path, server.url, NAME) as bench:
            plan = await bench.plan("1.0")
            assert (plan.strategy, plan.spares) == (Strategy.HARBOR, ("latest",))
            outcome = await bench.delete("1.0")
            assert (outcome.state, outcome.verified) == (ChangeState.DONE, ("latest",))
            path = "/api/v2.0/projects/shop/repositories/app/artifacts/1.0/tags/1.0"
            assert server.asked.count(f"DELETE {path}") == 1
            assert not [line for line in server.asked if line.startswith("PUT")]
            assert harbor.tags == {"latest": image.digest}

    run(check())


def test_siblings_that_a_registry_takes_along_are_put_back(tmp_path: Path) -> None:
    """It says that it deletes tags by name, and deletes what they lead to."""
    greedy = Pretended(DISTRIBUTION, by_tag="greedy")
    image = greedy.hold(make_image(), "1.0", "latest", "stable")

    async def check() -> None:
        async with scripted(greedy) as server, bench_at(tmp_path, server.url, NAME) as bench:
            outcome = await bench.delete("1.0")
            assert outcome.state is ChangeState.DONE
            assert set(outcome.repaired) == {"latest", "stable"}
            assert "put back" in outcome.sentence
            assert greedy.tags == {"latest": image.digest, "stable": image.digest}
            assert greedy.manifests[image.digest].manifest == image.manifest

    run(check())


@pytest.mark.parametrize("siblings", [(), ("latest",)])
def test_no_placeholder_where_it_would_stay(tmp_path: Path, siblings: tuple[str, ...]) -> None:
    """Deleting by digest works there, but not while a tag leads to it; no product's name tells."""
    guarded = Pretended(DISTRIBUTION, by_tag="unsupported", while_tagged=False)
    image = guarded.hold(make_image(), "1.0", *siblings)
    before = dict(guarded.tags)

    async def check() -> None:
        async with scripted(guarded) as server, bench_at(tmp_path, server.url, NAME) as bench:
            if siblings:
                with pytest.raises(Conflict, match="cannot delete one tag alone"):
                    await bench.delete("1.0")
            else:
                assert (await bench.delete("1.0")).state is ChangeState.FAILED
            assert not [line for line in server.asked if line.startswith(("PUT", "POST"))]
            assert guarded.tags == before
            assert image.digest in guarded.manifests

    run(check())


def test_a_yes_that_is_none_is_not_believed(tmp_path: Path) -> None:
    later = Pretended(DISTRIBUTION, by_tag="later")
    later.hold(make_image(), "1.0")

    async def check() -> None:
        async with scripted(later) as server, bench_at(tmp_path, server.url, NAME) as bench:
            outcome = await bench.delete("1.0")
            assert outcome.state is ChangeState.FAILED
            assert "still has it" in outcome.sentence
            assert (await bench.history("1.0")).digest is not None

    run(check())


def test_what_a_registry_can_do_is_remembered_and_found_out_again(tmp_path: Path) -> None:
    changing = Pretended(DISTRIBUTION)
    for number in range(4):
        changing.hold(make_image(labels={"n": str(number)}), f"{number}.0")

    async def check() -> None:
        async with scripted(changing) as server, bench_at(tmp_path, server.url, NAME) as bench:

            def tries() -> int:
                return sum("kubedash-probe" in line for line in server.asked)

            await bench.plan("0.0")
            await bench.delete("1.0")
            assert tries() == 1
            changing.by_tag = "unsupported"
            outcome = await bench.delete("2.0")
            assert (outcome.state, outcome.strategy) == (ChangeState.FAILED, Strategy.NATIVE)
            assert (await bench.plan("2.0")).strategy is Strategy.DIGEST
            assert tries() == 2

    run(check())
