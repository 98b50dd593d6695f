"""Labels and annotations: meanings, families and precedence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.oci.annotations import Label, collect_labels, is_web_address

OCI = "org.opencontainers.image."
OLD = "org.label-schema."
keys = st.sampled_from([f"{OCI}title", f"{OCI}version", f"{OLD}name", f"{OLD}version", "maintainer", "other"])
maps = st.none() | st.dictionaries(keys, st.sampled_from(["", "1", "2"]))


@given(maps, maps, maps, maps)
def test_precedence(
    manifest: dict[str, str] | None,
    descriptor: dict[str, str] | None,
    index: dict[str, str] | None,
    config: dict[str, str] | None,
) -> None:
    found = collect_labels(manifest=manifest, descriptor=descriptor, index=index, config=config)
    sources = [source or {} for source in (manifest, descriptor, index, config)]
    assert len(found.entries) == sum(map(len, sources))
    for meaning, pair in {
        "title": (f"{OCI}title", f"{OLD}name"),
        "version": (f"{OCI}version", f"{OLD}version"),
    }.items():
        values = [source[key] for source in sources for key in pair if source.get(key)]
        assert found.metadata.get(meaning) == (values[0] if values else None)
    for meaning in found.metadata:
        counting = [entry for entry in found.entries if entry.meaning == meaning and entry.value and not entry.shadowed]
        assert [entry.value for entry in counting] == [found.metadata[meaning]]


def test_every_oci_key_has_its_meaning() -> None:
    names = [
        "created",
        "authors",
        "url",
        "documentation",
        "source",
        "version",
        "revision",
        "vendor",
        "licenses",
        "title",
        "description",
    ]
    found = collect_labels(manifest={f"{OCI}{name}": name for name in names})
    assert found.metadata == {name: name for name in names}
    more = collect_labels(manifest={f"{OCI}base.digest": "d", f"{OCI}base.name": "n", f"{OCI}ref.name": "r"})
    assert more.metadata == {"base_digest": "d", "base_name": "n"}
    assert [entry.family for entry in more.entries] == ["oci"] * 3


def test_label_schema_is_mapped() -> None:
    wire = {
        "build-date": "created",
        "url": "url",
        "vcs-url": "source",
        "vcs-ref": "revision",
        "version": "version",
        "vendor": "vendor",
        "name": "title",
        "description": "description",
        "license": "licenses",
    }
    found = collect_labels(config={f"{OLD}{key}": meaning for key, meaning in wire.items()})
    assert found.metadata == {meaning: meaning for meaning in wire.values()}
    other = collect_labels(config={f"{OLD}schema-version": "1.0", f"{OLD}docker.cmd": "docker run x"})
    assert other.metadata == {}
    assert {entry.family for entry in other.entries} == {"label-schema"}


@pytest.mark.parametrize(
    ("usage", "meaning"),
    [("https://example.org/docs", "documentation"), ("/usr/share/doc/README", None), ("javascript:alert(1)", None)],
)
def test_usage_is_documentation_only_where_it_is_an_address(usage: str, meaning: str | None) -> None:
    found = collect_labels(config={f"{OLD}usage": usage})
    assert found.entries[0] == Label(f"{OLD}usage", usage, "config label", meaning, "label-schema")


@pytest.mark.parametrize("key", ["maintainer", "MAINTAINER"])
def test_a_maintainer_is_an_author(key: str) -> None:
    assert collect_labels(config={key: "Example <a@example.org>"}).metadata == {"authors": "Example <a@example.org>"}
    both = collect_labels(config={key: "old", f"{OCI}authors": "new"})
    assert both.metadata == {"authors": "new"}
    assert [(entry.value, entry.shadowed) for entry in both.entries] == [("new", False), ("old", True)]


def test_the_source_of_each_entry_is_told() -> None:
    found = collect_labels(manifest={"a": "1"}, index={"a": "3"}, descriptor={"a": "2"}, config={"a": "4"})
    assert [(entry.value, entry.source, entry.shadowed) for entry in found.entries] == [
        ("1", "manifest annotation", False),
        ("2", "descriptor annotation", True),
        ("3", "index annotation", True),
        ("4", "config label", True),
    ]


def test_nothing_said_is_nothing_known() -> None:
    assert collect_labels() == collect_labels(manifest={}, config=None)
    assert collect_labels().entries == ()


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("https://example.org/a?b=c#d", True),
        ("HTTP://example.org", True),
        ("javascript:alert(1)", False),
        (" https://example.org", False),
        ("https://example.org/\njavascript:x", False),
        ("https://example.org/ x", False),
        ("git@example.org:a/b.git", False),
        ("ssh://git@example.org/a", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(value: str, link: bool) -> None:
    assert is_web_address(value) is link
