"""Which tags a rule means: what is not known never counts against a tag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy import bulk
from kubedash.policy.bulk import Candidate, Ground
from kubedash.policy.deletion import PLAIN, DeletionChoices
from kubedash.records import Capabilities, DeleteAbility, Selection, Strategy

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1000)


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def tag(name: str, number: int = 1, *, days: int | None = None, pulled: int | None = None, **more: object) -> Candidate:
    """Made and pulled so many days ago; known since long."""
    return Candidate(
        name=Tag(name),
        digest=digest(number),
        created=None if days is None else NOW - timedelta(days=days),
        last_pulled=None if pulled is None else NOW - timedelta(days=pulled),
        **{"since": LONG_AGO, **more},  # type: ignore[arg-type]
    )


def names(found: bulk.Chosen) -> list[str]:
    return [candidate.name for candidate in found.tags]


def choose(candidates: list[Candidate], pulls_since: datetime | None = LONG_AGO, **rules: object) -> bulk.Chosen:
    return bulk.choose(candidates, Selection(**rules), pulls_since, NOW)  # type: ignore[arg-type]


def test_names_and_patterns_choose_either_way() -> None:
    tags = [tag("v1"), tag("v2"), tag("pr-1"), tag("pr-2"), tag("main")]
    assert names(choose(tags, patterns=("pr-*",))) == ["pr-1", "pr-2"]
    assert names(choose(tags, tags=(Tag("main"),), patterns=("v?",))) == ["v1", "v2", "main"]
    assert names(choose(tags, tags=(Tag("gone"),))) == []


def test_patterns_are_of_whole_names_in_their_very_case() -> None:
    tags = [tag("rc-1"), tag("RC-1"), tag("Rc-1"), tag("x-rc-1")]
    assert names(choose(tags, patterns=("rc-*",))) == ["rc-1"]
    assert names(choose(tags, patterns=("?C-1",))) == ["RC-1"]
    assert names(choose(tags, patterns=("rc",))) == []


def test_rules_must_all_hold() -> None:
    tags = [tag("pr-1", days=40), tag("pr-2", days=10), tag("v1", days=40)]
    assert names(choose(tags, patterns=("pr-*",), older_than_days=30)) == ["pr-1"]


def test_without_a_date_it_is_not_old() -> None:
    found = choose([tag("a"), tag("b", days=31), tag("c", days=30), tag("d", days=29)], older_than_days=30)
    assert (names(found), found.unknown_age) == (["b", "c"], 1)


def test_unused_needs_somebody_who_watched_all_the_time() -> None:
    tags = [tag("never"), tag("old", pulled=100), tag("new", pulled=5)]
    assert names(choose(tags, not_pulled_days=90)) == ["never", "old"]
    short = choose(tags, NOW - timedelta(days=89), not_pulled_days=90)
    assert (names(short), short.unknown_pulls) == ([], 2)
    deaf = choose(tags, None, not_pulled_days=90)
    assert (names(deaf), deaf.unknown_pulls) == ([], 2)


def test_a_tag_that_came_lately_is_not_unused() -> None:
    fresh = tag("fresh", since=NOW - timedelta(days=10))
    found = choose([fresh], not_pulled_days=90)
    assert (names(found), found.unknown_pulls) == ([], 1)


def test_the_newest_are_left_and_those_of_unknown_age_first() -> None:
    tags = [tag("a", days=1), tag("b", days=2), tag("c", days=3), tag("d", days=4), tag("x")]
    assert names(choose(tags, keep_newest=3)) == ["c", "d"]
    assert names(choose(tags, keep_newest=9)) == []
    assert names(choose(tags, patterns=("[a-d]",), keep_newest=1, older_than_days=3)) == ["c", "d"]


def test_machines_tags_go_with_the_whole_repository_alone() -> None:
    tags = [tag("v1", days=50), tag("sha256-x.sig", machine=True, days=50)]
    assert names(choose(tags, everything=True)) == ["v1", "sha256-x.sig"]
    assert names(choose(tags, everything=True, older_than_days=30)) == ["v1"]
    assert names(choose(tags, patterns=("*",))) == ["v1"]
    assert names(choose(tags, tags=(Tag("sha256-x.sig"),))) == ["sha256-x.sig"]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({}, "tags"),
        ({"older_than_days": -1}, "older_than_days"),
        ({"not_pulled_days": 10**9}, "not_pulled_days"),
        ({"keep_newest": -5, "everything": True}, "keep_newest"),
        ({"patterns": ("x",) * 101}, "patterns"),
    ],
)
def test_what_makes_no_sense_is_named(rules: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        bulk.check_selection(Selection(**rules))  # type: ignore[arg-type]
    assert field in caught.value.fields


def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_TAGS", 2)
    with pytest.raises(InvalidInput):
        choose([tag(f"t{number}") for number in range(3)], everything=True)


ABLE = Capabilities(delete=DeleteAbility.ENABLED, tag_delete=False, product=None, distribution_like=True, probed_at=NOW)


def ground(
    *tags: Candidate, parents: dict[Digest, frozenset[Digest]] | None = None, able: Capabilities = ABLE
) -> Ground:
    return Ground(
        registry="r",
        repository=RepositoryName("a/b"),
        pointing={found.name: found.digest for found in tags},
        parents=parents or {},
        capabilities=ABLE,
        protected_tags=("prod-*",),
    )


def test_the_last_tag_of_a_digest_takes_it_along() -> None:
    tags = [tag("a", 1), tag("b", 1), tag("c", 2), tag("d", 3)]
    stays = tag("keep", 2)
    around = ground(*tags, stays)
    planned = bulk.plan_tags(tags, around, PLAIN, NOW)
    assert [found.strategy for found in planned] == [
        Strategy.PLACEHOLDER,
        Strategy.DIGEST,
        Strategy.PLACEHOLDER,
        Strategy.DIGEST,
    ]
    assert planned[2].spares == ("keep",)
    assert bulk.left_alone(planned, around) == {digest(1), digest(3)}


def test_an_index_goes_first_and_frees_its_entries() -> None:
    index = tag("multi", 1, media_type=MediaType.OCI_INDEX)
    entry, other = tag("amd64", 2), tag("arm64", 3)
    parents = {digest(2): frozenset({digest(1)}), digest(3): frozenset({digest(1), digest(9)})}
    ordered = bulk.order([entry, other, index])
    assert [found.name for found in ordered] == ["multi", "amd64", "arm64"]
    around = ground(index, entry, other, parents=parents)
    planned = bulk.plan_tags(ordered, around, PLAIN, NOW)
    assert [found.strategy for found in planned] == [Strategy.DIGEST, Strategy.DIGEST, Strategy.PLACEHOLDER]
    assert bulk.left_alone(planned, around) == {digest(1), digest(2)}


def test_protected_ones_are_conflicts_and_do_not_count() -> None:
    tags = [tag("prod-1", 1), tag("dev", 1)]
    around = ground(*tags)
    planned = bulk.plan_tags(tags, around, PLAIN, NOW)
    assert planned[0].refused is not None
    assert (planned[1].refused, planned[1].spares, planned[1].strategy) == (None, ("prod-1",), Strategy.PLACEHOLDER)
    assert bulk.strategies_of(planned) == {"placeholder": 1}
    assert bulk.left_alone(planned, around) == set()


def test_the_fingerprint_stands_for_tags_and_digests() -> None:
    tags = [tag("a", 1), tag("b", 2)]
    first = bulk.fingerprint(bulk.plan_tags(tags, ground(*tags), PLAIN, NOW))
    again = bulk.fingerprint(bulk.plan_tags(tags[::-1], ground(*tags), DeletionChoices(tag_only=True), NOW))
    moved = [tags[0], replace(tags[1], digest=digest(3))]
    assert first == again
    assert first != bulk.fingerprint(bulk.plan_tags(moved, ground(*moved), PLAIN, NOW))
    assert first != bulk.fingerprint(bulk.plan_tags(tags[:1], ground(*tags), PLAIN, NOW))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.none() | st.integers(0, 100)), max_size=12),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 5),
)
def test_nothing_that_stays_is_touched(
    made: list[tuple[int, bool, int | None]], older: int | None, keep: int | None
) -> None:
    """Whatever is chosen: a digest goes only when none of its tags stays."""
    tags = [tag(f"{'pr' if chosen else 'v'}-{number}", which, days=days)
            for number, (which, chosen, days) in enumerate(made)]  # fmt: skip
    found = choose(tags, patterns=("pr-*",), older_than_days=older, keep_newest=keep)
    planned = bulk.plan_tags(bulk.order(found.tags), ground(*tags), PLAIN, NOW)
    going = {one.name for one in planned}
    staying = {one.digest for one in tags if one.name not in going}
    assert all(name.startswith("pr-") for name in going)
    assert not bulk.left_alone(planned, ground(*tags)) & staying
    assert {one.digest for one in planned if one.strategy is Strategy.DIGEST} & staying == set()
