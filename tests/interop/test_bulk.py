"""A bulk deletion on each registry: by its own way, and siblings and indexes stay whole."""

from __future__ import annotations

from pathlib import Path

from demo.push import make_image, make_index, push
from kubedash.oci.reference import RepositoryName
from kubedash.records import JobState, Selection, Strategy
from kubedash.workflows import bulk_delete
from kubedash.workflows.bulk_delete import Shown
from tests.interop.conftest import Peer
from tests.interop.registries import DISTRIBUTION_2
from tests.support.aio import run
from tests.work.house import MAINTAINER, ended, skopeo_pulls, two_registries

NAME = RepositoryName("bulk/interop")


def test_chosen_tags_go_and_the_others_are_pulled(peer: Peer, tmp_path: Path) -> None:
    images = [make_image(labels={"number": str(number)}) for number in range(4)]
    index = make_index(images[:2])
    for number, image in enumerate(images):
        push(peer.url, NAME, f"pr-{number}", image)
    push(peer.url, NAME, "stable", images[3])
    push(peer.url, NAME, "multi", index)

    async def story() -> dict[str, int]:
        async with two_registries(tmp_path / "house", peer.url, peer.url, DELETE_IMAGES="true") as services:
            selection = Selection(patterns=("pr-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "one", NAME, selection)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "one", NAME, selection, shown)
            assert (await ended(services, job)).state is JobState.DONE
            found = await bulk_delete.open_bulk(services, MAINTAINER, job.id)
            assert (found.outcome.deleted, found.problems) == (4, ())
            left = await bulk_delete.plan(services, MAINTAINER, "one", NAME, Selection(everything=True))
            assert {tag.name: tag.digest for tag in left.tags} == {"stable": images[3].digest, "multi": index.digest}
            return plan.strategies

    strategies = run(story())
    placeholders = {str(Strategy.DIGEST): 1, str(Strategy.PLACEHOLDER): 3}
    assert strategies == (placeholders if peer.kind == DISTRIBUTION_2 else {str(Strategy.NATIVE): 4})
    for tag in ("stable", "multi"):
        skopeo_pulls(peer.url, f"{NAME}:{tag}", tmp_path / tag)
