"""A registry with the referrers API: what it lists is attached, also when it came later."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from demo.push import OCI_INDEX, Sample
from kubedash.oci.digest import Digest
from kubedash.storage import referrers
from tests.support.aio import run
from tests.support.scripted import Scripted, scripted
from tests.sync import content
from tests.sync.fake import Fake
from tests.sync.house import House, house

NAME = "team/app"
_REFERRERS = re.compile(r"/v2/team/app/referrers/(sha256:[0-9a-f]{64})")


class WithReferrers(Fake):
    """Lists the untagged samples of `attached`, one a page; `content_type` as it is told."""

    def __init__(self, images: dict[str, Sample]) -> None:
        super().__init__({NAME: images})
        self.attached: dict[str, list[Sample]] = {}
        self.content_type = OCI_INDEX
        self.fault = self._referrers

    def attach(self, subject: Sample, *samples: Sample) -> None:
        self.attached.setdefault(subject.digest, []).extend(samples)

    def _referrers(self, request: web.Request) -> web.Response | None:
        found = _REFERRERS.fullmatch(request.path)
        if found is None:
            return None
        listed = self.attached.get(found[1], [])
        page = int(request.query.get("page", "0"))
        headers = {"Content-Type": self.content_type, "OCI-Filters-Applied": "artifactType"}
        if page + 1 < len(listed):
            headers["Link"] = f'<{request.path}?page={page + 1}>; rel="next"'
        entries = [
            {"mediaType": sample.media_type, "digest": sample.digest, "size": len(sample.manifest)}
            for sample in listed[page : page + 1]
        ]
        return web.Response(
            body=json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode(),
            headers=headers,
        )

    def _samples(self) -> list[Sample]:
        return [*super()._samples(), *(sample for listed in self.attached.values() for sample in listed)]


async def kinds(here: House, subject: Sample) -> set[tuple[str, str]]:
    repository = await here.repository(NAME)
    async with here.services.database.read() as session:
        found = await referrers.of_subjects(session, repository.id, [Digest(subject.digest)])
    return {(item.kind, item.attached_by) for item in found.get(Digest(subject.digest), ())}


@asynccontextmanager
async def crawled(folder: Path, fake: WithReferrers) -> AsyncIterator[tuple[House, Scripted]]:
    async with scripted(fake) as server, house(folder, server.url) as here:
        assert (await here.crawl()).state == "done"
        yield here, server


def questions(server: Scripted) -> int:
    return sum("/referrers/" in line for line in server.asked)


def test_what_the_api_lists_over_several_pages_is_attached(tmp_path: Path) -> None:
    image, other = content.image(1), content.image(2)
    sbom, _ = content.referrers_of(image)
    fake = WithReferrers({"1": image, "2": other})
    fake.attach(image, sbom, content.signature(image))

    async def story() -> None:
        async with crawled(tmp_path, fake) as (here, _):
            assert {kind for kind, _ in await kinds(here, image)} == {"sbom", "cosign_signature"}
            assert await kinds(here, other) == set()
            assert set(await here.digests(NAME)) == {"1", "2"}

    run(story())


def test_a_signature_that_comes_later_is_seen_and_one_that_goes_is_forgotten(tmp_path: Path) -> None:
    image = content.image(1)
    fake = WithReferrers({"1": image})

    async def story() -> None:
        async with crawled(tmp_path, fake) as (here, _):
            assert await kinds(here, image) == set()
            fake.attach(image, content.signature(image))
            assert (await here.crawl()).state == "done"
            assert await kinds(here, image) == {("cosign_signature", "referrers_api")}
            fake.attached.clear()
            assert (await here.crawl()).state == "done"
            assert await kinds(here, image) == set()

    run(story())


def test_each_image_is_asked_about_once_a_crawl(tmp_path: Path) -> None:
    fake = WithReferrers({str(number): content.image(number) for number in range(5)})

    async def story() -> None:
        async with crawled(tmp_path, fake) as (here, server):
            assert questions(server) == 5
            assert (await here.crawl()).state == "done"
            assert questions(server) == 10

    run(story())


def test_an_answer_of_another_type_is_no_list_and_empties_nothing(tmp_path: Path) -> None:
    image = content.image(1)
    fake = WithReferrers({"1": image})
    fake.attach(image, content.signature(image))

    async def story() -> None:
        async with crawled(tmp_path, fake) as (here, _):
            before = await kinds(here, image)
            assert before
            fake.content_type = "application/json"
            assert (await here.crawl()).state == "done"
            assert await kinds(here, image) == before

    run(story())


def test_a_failing_api_empties_nothing(tmp_path: Path) -> None:
    image = content.image(1)
    fake = WithReferrers({"1": image})
    fake.attach(image, content.signature(image))

    async def story() -> None:
        async with crawled(tmp_path, fake) as (here, _):
            before = await kinds(here, image)
            fake.fault = lambda request: web.Response(status=403, text="{}") if "/referrers/" in request.path else None
            assert (await here.crawl()).state == "done"
            assert await kinds(here, image) == before

    run(story())


def test_a_registry_without_the_api_is_asked_once(tmp_path: Path) -> None:
    fake = Fake({NAME: {str(number): content.image(number) for number in range(5)}})

    async def story() -> None:
        async with scripted(fake) as server, house(tmp_path, server.url) as here:
            for _ in range(3):
                assert (await here.crawl()).state == "done"
            assert questions(server) == 1

    run(story())


def test_an_image_under_a_referrers_tag_is_an_ordinary_tag(tmp_path: Path) -> None:
    image, own = content.image(1), content.image(2)
    name = content.machine_tag(image)
    fake = Fake({NAME: {"1": image, name: own}})

    async def story() -> None:
        async with scripted(fake) as server, house(tmp_path, server.url) as here:
            assert (await here.crawl()).state == "done"
            assert (await here.repository(NAME)).tag_count == 2
            assert await kinds(here, image) == set()
            # It becomes a list of referrers, and is an image again.
            _, listing = content.referrers_of(image)
            fake.content[NAME][name] = listing
            assert (await here.crawl()).state == "done"
            assert (await here.repository(NAME)).tag_count == 1
            assert len(await here.rows(NAME)) == 2
            assert {kind for kind, _ in await kinds(here, image)} == {"sbom"}
            fake.content[NAME][name] = own
            assert (await here.crawl()).state == "done"
            assert (await here.repository(NAME)).tag_count == 2
            assert len(await here.rows(NAME)) == 2

    run(story())
