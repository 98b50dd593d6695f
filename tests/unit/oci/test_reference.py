"""Repository names, tags, references, and the order of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.reference import QualifiedReference, Reference, RepositoryName, Tag

DIGEST = Digest.of(b"x")
components = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
names = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)


@given(names, tags)
def test_references_survive_parsing(name: str, tag: str) -> None:
    by_tag, by_digest = Reference.parse(f"{name}:{tag}"), Reference.parse(f"{name}@{DIGEST}")
    assert (str(by_tag), str(by_digest)) == (f"{name}:{tag}", f"{name}@{DIGEST}")
    assert (by_tag.identifier, by_digest.identifier) == (tag, DIGEST)
    assert by_tag.repository.namespace == name.rpartition("/")[0]
    assert by_tag.repository.leaf == name.rpartition("/")[2]


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidInput:
        return
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "a/", "/a", "A", "a..b", "a___b", "-a", "a-", "a/-/b", "a b", "a\n", "ä", "a" * 256]
)
def test_malformed_repository_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        RepositoryName.parse(name)


@pytest.mark.parametrize("name", ["a", "a-----b", "a__b", "0/1", "a.b/c_d/e", "a" * 255])
def test_unusual_repository_names_are_taken(name: str) -> None:
    assert RepositoryName.parse(name) == name


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a b", "a/b", "a:b", "a+b", "a\n", "é", "a" * 129])
def test_malformed_tags_are_refused(tag: str) -> None:
    with pytest.raises(InvalidInput):
        Tag.parse(tag)


def test_a_digest_counts_more_than_the_tag_before_it() -> None:
    assert Reference.parse(f"nginx:1.27@{DIGEST}") == Reference(RepositoryName("nginx"), digest=DIGEST)


@pytest.mark.parametrize("text", [f"nginx:@{DIGEST}", f"nginx:a b@{DIGEST}", "nginx@", "nginx:", "nginx@latest"])
def test_a_broken_end_is_refused_even_where_it_would_not_count(text: str) -> None:
    with pytest.raises(InvalidInput):
        Reference.parse(text)


def test_latest_is_meant_where_nothing_is_said() -> None:
    assert str(Reference.parse("nginx")) == "nginx:latest"
    assert str(Reference(RepositoryName("nginx"))) == "nginx:latest"


@pytest.mark.parametrize(
    ("text", "host", "reference"),
    [
        ("nginx", "docker.io", "library/nginx:latest"),
        ("grafana/loki:3", "docker.io", "grafana/loki:3"),
        ("docker.io/nginx", "docker.io", "library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io", "library/nginx:latest"),
        ("registry-1.docker.io/a/b", "docker.io", "a/b:latest"),
        ("localhost/app", "localhost", "app:latest"),
        ("localhost:5000/app:1", "localhost:5000", "app:1"),
        ("Registry/app", "Registry", "app:latest"),
        ("registry.example/a/b:1", "registry.example", "a/b:1"),
        ("[::1]:5000/app", "[::1]:5000", "app:latest"),
        (f"registry.example/app@{DIGEST}", "registry.example", f"app@{DIGEST}"),
    ],
)
def test_docker_shorthand_is_read_as_docker_does(text: str, host: str, reference: str) -> None:
    found = QualifiedReference.parse(text)
    assert (found.host, str(found.reference)) == (host, reference)


@pytest.mark.parametrize(
    "text", ["/app", "ex ample.org/app", "<b>.org/app", "host:port/app", f"{'a.' * 200}b/app", "a.b:123456/app"]
)
def test_hosts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        QualifiedReference.parse(text)


def ordered(*names: str) -> bool:
    keys = [Tag.parse(name).version_key for name in names]
    return keys == sorted(keys) and len(set(keys)) == len(keys)


def test_versions_sort_as_people_read_them() -> None:
    assert ordered("latest", "v2", "v10")
    assert ordered("1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0", "1.0.1", "1.1", "1.10", "2")
    assert ordered("1.9", "1.10-alpine", "1.10", "10.0")
    assert ordered("build-2", "build-10", "1")
    assert ordered("20231231", "20240101")


def test_case_a_leading_v_and_leading_zeros_do_not_matter() -> None:
    assert Tag("V1.02").version_key == Tag("1.2").version_key


@given(
    st.lists(st.integers(0, 10**30), min_size=1, max_size=4), st.lists(st.integers(0, 10**30), min_size=1, max_size=4)
)
def test_numeric_versions_sort_as_their_numbers(left: list[int], right: list[int]) -> None:
    keys = [Tag(".".join(map(str, numbers))).version_key for numbers in (left, right)]
    assert (keys[0] < keys[1]) == (left < right)
    assert (keys[0] == keys[1]) == (left == right)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=3), st.from_regex(r"[a-z]{1,5}\.?[0-9]{0,3}", fullmatch=True))
def test_a_pre_release_sorts_before_its_release(numbers: list[int], suffix: str) -> None:
    release = ".".join(map(str, numbers))
    assert Tag(f"{release}-{suffix}").version_key < Tag(release).version_key


@given(tags, tags)
def test_names_that_are_no_version_sort_before_all_versions(left: str, right: str) -> None:
    if not left.lower().removeprefix("v")[:1].isdigit() and right[0].isdigit():
        assert Tag(left).version_key < Tag(right).version_key


@given(tags)
def test_a_version_key_is_ascii_so_that_every_collation_by_bytes_agrees(tag: str) -> None:
    assert Tag(tag).version_key.isascii()
