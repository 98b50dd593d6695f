"""Which requests are one pull."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kubedash.policy.pulls import MAX_CLIENTS, MAX_REMEMBERED, NOTHING_NAMED, WINDOW, PullCounter, Request

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX, AMD64, ARM64, OTHER = (f"sha256:{letter * 64}" for letter in "abcd")
PARENTS = {AMD64: {INDEX}, ARM64: {INDEX}}
GET = Request(1, "team/app", None, None, IMAGE_TYPE, "GET", "ci", "10.0.0.1", "docker/27", False, NOW)


def by_tag(digest: str = OTHER, kind: str = IMAGE_TYPE, method: str = "GET") -> Request:
    return replace(GET, tag="1.0", digest=digest, media_type=kind, method=method)


def by_digest(digest: str, kind: str = IMAGE_TYPE) -> Request:
    return replace(GET, digest=digest, media_type=kind)


HEAD = by_tag(INDEX, INDEX_TYPE, "HEAD")
BLOB = replace(GET, digest=OTHER, media_type="application/octet-stream")


@pytest.mark.parametrize("parents", [PARENTS, {}], ids=["index known", "index not known yet"])
@pytest.mark.parametrize(
    ("requests", "targets"),
    [
        pytest.param([by_tag()], ["1.0"], id="a plain image"),
        pytest.param([by_tag(method="HEAD")], [], id="only looked at"),
        pytest.param([by_tag(method="HEAD"), by_tag()], ["1.0"], id="looked at and got"),
        pytest.param([by_tag(method="HEAD"), by_digest(OTHER)], ["1.0"], id="the tag resolved first, then by digest"),
        pytest.param([by_digest(OTHER)], [OTHER], id="by digest alone"),
        pytest.param(
            [HEAD, by_digest(INDEX, INDEX_TYPE), by_digest(AMD64), BLOB, BLOB], ["1.0"], id="docker, several platforms"
        ),
        pytest.param([by_tag(INDEX, INDEX_TYPE), by_digest(ARM64)], ["1.0"], id="skopeo, several platforms"),
        pytest.param([by_digest(INDEX, INDEX_TYPE), by_digest(AMD64)], [INDEX], id="an index by its digest"),
        pytest.param([by_tag(INDEX, INDEX_TYPE), by_digest(AMD64), by_digest(ARM64)], ["1.0"], id="all platforms"),
        pytest.param([by_tag(), by_tag()], ["1.0", "1.0"], id="twice"),
        pytest.param(
            [HEAD, by_digest(INDEX, INDEX_TYPE), by_digest(AMD64)] * 2, ["1.0", "1.0"], id="several platforms twice"
        ),
        pytest.param([by_tag(), by_digest(AMD64)], ["1.0", AMD64], id="another image behind one that is no index"),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), replace(by_digest(AMD64), address="10.0.0.2")], ["1.0", AMD64], id="two clients"
        ),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), replace(by_digest(AMD64), actor="ann")], ["1.0", AMD64], id="two actors"
        ),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), replace(by_digest(AMD64), repository="team/else")],
            ["1.0", AMD64],
            id="two repositories",
        ),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), replace(by_digest(AMD64), at=NOW + WINDOW + timedelta(seconds=1))],
            ["1.0", AMD64],
            id="long after",
        ),
        pytest.param([BLOB, replace(BLOB, method="HEAD")], [], id="layers"),
        pytest.param([GET, replace(GET, repository=None)], [NOTHING_NAMED] * 2, id="of nothing in particular"),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), by_digest(AMD64), by_digest(AMD64)],
            ["1.0", AMD64],
            id="a platform by its digest, right behind its index",
        ),
        pytest.param(
            [by_tag(INDEX, INDEX_TYPE), by_tag(INDEX, INDEX_TYPE), by_digest(AMD64), by_digest(AMD64)],
            ["1.0", "1.0"],
            id="two that look alike at the same time",
        ),
        pytest.param(
            [
                by_tag(INDEX, INDEX_TYPE),
                by_digest(AMD64),
                replace(by_tag(INDEX, INDEX_TYPE), at=NOW + 2 * WINDOW),
                replace(by_digest(AMD64), at=NOW + 2 * WINDOW),
                replace(by_digest(AMD64), at=NOW + 2 * WINDOW),
            ],
            ["1.0", "1.0", AMD64],
            id="once more after a while",
        ),
        pytest.param([replace(by_tag(), own=True), replace(by_digest(OTHER), own=True)], [], id="KubeDash itself"),
        pytest.param([replace(by_tag(), method=None)], ["1.0"], id="a sender that tells no method"),
        pytest.param(
            [HEAD, replace(by_digest(INDEX, INDEX_TYPE), at=NOW + WINDOW + timedelta(seconds=1))],
            [INDEX],
            id="looked at long before",
        ),
    ],
)
def test_one_pull_counts_once(requests: list[Request], targets: list[str], parents: dict[str, set[str]]) -> None:
    counter = PullCounter()
    found = [target for request in requests if (target := counter.take(request, parents)) is not None]
    assert found == targets


def test_sources_are_told_apart() -> None:
    counter = PullCounter()
    assert counter.take(by_tag(INDEX, INDEX_TYPE), PARENTS) == "1.0"
    assert counter.take(replace(by_digest(AMD64), source_id=2), PARENTS) == AMD64


def test_an_index_of_more_platforms_than_are_remembered_is_one_pull() -> None:
    counter = PullCounter()
    children = [f"sha256:{number:064}" for number in range(2 * MAX_REMEMBERED)]
    assert counter.take(by_tag(INDEX, INDEX_TYPE), {}) == "1.0"
    parents = {child: {INDEX} for child in children}
    assert {counter.take(by_digest(child), parents) for child in children} == {None}


def test_an_index_within_an_index_has_parts_of_its_own() -> None:
    counter, parents = PullCounter(), {OTHER: {INDEX}, AMD64: {OTHER}}
    assert counter.take(by_tag(INDEX, INDEX_TYPE), parents) == "1.0"
    assert counter.take(by_digest(OTHER, INDEX_TYPE), parents) is None
    assert counter.take(by_digest(AMD64), parents) is None


def test_what_is_known_to_belong_elsewhere_is_a_pull_of_its_own() -> None:
    counter = PullCounter()
    assert counter.take(by_tag(INDEX, INDEX_TYPE), {}) is not None
    assert counter.take(by_digest(OTHER), {OTHER: {ARM64}}) == OTHER


REQUESTS = st.builds(
    Request,
    st.integers(1, 2),
    st.sampled_from(["a", "b"]),
    st.none() | st.sampled_from(["1", "2"]),
    st.none() | st.sampled_from([INDEX, AMD64, ARM64, OTHER]),
    st.none() | st.sampled_from([INDEX_TYPE, IMAGE_TYPE, "application/octet-stream"]),
    st.sampled_from(["GET", "HEAD", None]),
    st.none() | st.just("ci"),
    st.none() | st.just("::1"),
    st.none() | st.just("x"),
    st.booleans(),
    st.integers(0, 200).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


@given(requests=st.lists(REQUESTS, max_size=30))
def test_there_are_never_more_pulls_than_gets_by_others(requests: list[Request]) -> None:
    counter = PullCounter()
    for request in requests:
        target = counter.take(request, PARENTS)
        if target is not None:
            assert not request.own
            assert not request.is_look
            assert target in (request.names, "1", "2")
        elif request.method == "GET" and request.tag and not request.own:
            assert request.media_type == "application/octet-stream"


def test_no_more_clients_are_remembered_than_memory_has_room_for() -> None:
    counter = PullCounter()
    for number in range(MAX_CLIENTS + 10):
        counter.take(replace(by_tag(INDEX, INDEX_TYPE), address=str(number)), {})
    assert counter.clients == MAX_CLIENTS
