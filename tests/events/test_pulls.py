"""Pulls from a real registry, counted as people count them."""

from __future__ import annotations

from pathlib import Path

from demo import push
from demo.push import OCI_INDEX
from kubedash import __version__
from kubedash.storage import pulls
from tests.events.told import Listener, ask, listening
from tests.support.aio import eventually, run
from tests.support.events import notification
from tests.sync import content

NAME = "team/app"


async def counts(listener: Listener) -> dict[str, int]:
    """Pulls by tag, and of the repository under an empty name."""
    here = listener.here
    repository = await here.repository(NAME)
    pairs = (await here.digests(NAME)).items()
    now = here.services.clock()
    async with here.services.database.read() as session:
        found = await pulls.of_tags(session, here.registry_id, repository.id, pairs, now)
    return {target: counts.days_7 for target, counts in found.items()}


def test_a_docker_pull_is_one_pull_and_a_look_is_none(tmp_path: Path) -> None:
    image, index = content.image(1), content.built(2)
    child = index.children[0].digest

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "plain", image)
            push.push(registry.url, NAME, "multi", index)
            push.push(registry.url, NAME, "never", content.image(9))
            await listener.told(f"push {NAME}:never")
            assert (await here.rows(NAME))["plain"].last_pulled is None
            assert (await here.repository(NAME)).last_pulled is None
            # As docker does it: resolve, index by digest, platform by digest, config.
            assert ask(registry, "HEAD", f"{NAME}/manifests/multi") == index.digest
            ask(registry, "GET", f"{NAME}/manifests/{index.digest}")
            ask(registry, "GET", f"{NAME}/manifests/{child}")
            ask(registry, "GET", f"{NAME}/blobs/{push.digest_of(index.children[0].blobs[0])}")
            # As skopeo does it: by tag at once.
            ask(registry, "GET", f"{NAME}/manifests/plain", "skopeo/1.9")
            # Kubernetes by digest, a look only, and ourselves.
            ask(registry, "GET", f"{NAME}/manifests/{image.digest}", "containerd/2.0")
            ask(registry, "HEAD", f"{NAME}/manifests/never", "crane/1")
            ask(registry, "GET", f"{NAME}/manifests/never", f"kubedash/{__version__}")
            ask(registry, "GET", f"{NAME}/manifests/plain", "end/1")
            await listener.told(f"pull {NAME}@{child}")

            async def counted() -> bool:
                await listener.work()
                return (await counts(listener))[""] >= 4

            await eventually(counted)
            assert await counts(listener) == {"plain": 3, "multi": 1, "never": 0, "": 4}
            rows = await here.rows(NAME)
            assert rows["never"].last_pulled is None
            assert rows["multi"].last_pulled is not None
            assert (await here.repository(NAME)).last_pulled == rows["plain"].last_pulled

    run(story())


def test_counts_outlive_the_events_and_the_tag(tmp_path: Path) -> None:
    image = content.image(1)

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "1.0", image)
            await listener.told(f"push {NAME}:1.0")
            now = here.services.clock()
            await listener.store(notification(1, now, repository=NAME, tag="1.0", digest=image.digest))
            await listener.work()
            pulled = (await here.rows(NAME))["1.0"].last_pulled
            assert pulled is not None
            push.delete_manifest(registry.url, NAME, image.digest)
            await listener.told(f"delete {NAME}:1.0")
            assert await here.digests(NAME) == {}
            push.push(registry.url, NAME, "1.0", image)

            async def is_back() -> bool:
                await listener.work()
                return bool(await here.digests(NAME))

            await eventually(is_back)
            assert (await here.rows(NAME))["1.0"].last_pulled == pulled

    run(story())


def test_two_processes_count_each_pull_once(tmp_path: Path) -> None:
    """What they remember of the minute before does not depend on who did the work before."""
    index = content.built(1)

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "multi", index)
            await listener.told(f"push {NAME}:multi")
            other = Listener(here, "other")
            now = here.services.clock()
            common = {"repository": NAME, "tag": None}
            await listener.store(notification(1, now, digest=index.digest, media_type=OCI_INDEX, **common))
            await listener.work()
            await listener.driver.close()
            await listener.store(notification(2, now, digest=index.children[0].digest, **common))
            await other.work()
            await other.driver.close()
            await listener.store(notification(3, now, digest=index.children[2].digest, **common))
            await listener.work()
            assert await counts(listener) == {"multi": 1, "": 1}

    run(story())
