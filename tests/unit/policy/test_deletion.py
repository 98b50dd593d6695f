"""Plans of deletions from facts: for every kind of registry, and for everything that has to stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.deletion import PLAIN, REFUSE_TAGGED, DeletionChoices, DeletionFacts, plan_deletion
from kubedash.policy.deletion_words import INDEX_CHILD
from kubedash.policy.placeholder import make_placeholder
from kubedash.policy.protection import protecting_pattern
from kubedash.records import Capabilities, DeleteAbility, DeletionPlan, Orphan, Strategy

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DIGEST = Digest.of(b"what goes")
PARENT = Digest.of(b"an index")
SIGNATURE = Orphan(digest=Digest.of(b"sig"), subject=DIGEST, kind="cosign_signature", attached_by="cosign_tag")
ENTRY = Orphan(digest=Digest.of(b"amd"), subject=DIGEST, kind="image", platform="linux/amd64", attached_by=INDEX_CHILD)


def able(**changes: Any) -> Capabilities:
    """As distribution 2.8 is with deletion turned on."""
    known: dict[str, Any] = {
        "delete": DeleteAbility.ENABLED,
        "tag_delete": False,
        "product": None,
        "distribution_like": True,
        "probed_at": NOW,
    }
    return Capabilities(**known | changes)


def facts(**changes: Any) -> DeletionFacts:
    known: dict[str, Any] = {
        "registry": "prod",
        "repository": RepositoryName("shop/app"),
        "tag": Tag("1.0"),
        "digest": DIGEST,
        "media_type": MediaType.OCI_MANIFEST,
        "kind": "image",
        "siblings": (),
        "siblings_complete": True,
        "other_tags": True,
        "parents": (),
        "orphans": (),
        "capabilities": able(),
        "protected_tags": (),
        "bytes_alone": 700,
    }
    return DeletionFacts(**known | changes)


def plan(choices: DeletionChoices = PLAIN, **changes: Any) -> DeletionPlan:
    return plan_deletion(facts(**changes), choices, NOW)


NATIVE = able(tag_delete=True, distribution_like=False)
HARBOR = able(product="Harbor", distribution_like=False)


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ({}, Strategy.DIGEST),
        ({"siblings": (Tag("latest"),)}, Strategy.PLACEHOLDER),
        ({"parents": (PARENT,)}, Strategy.PLACEHOLDER),
        ({"siblings_complete": False}, Strategy.PLACEHOLDER),
        ({"capabilities": NATIVE}, Strategy.NATIVE),
        ({"capabilities": NATIVE, "siblings": (Tag("latest"),), "parents": (PARENT,)}, Strategy.NATIVE),
        ({"capabilities": HARBOR, "siblings": (Tag("latest"),)}, Strategy.HARBOR),
        ({"tag": None, "siblings": (Tag("1.0"), Tag("latest"))}, Strategy.DIGEST),
        ({"tag": None, "parents": (PARENT,)}, Strategy.REFUSE),
        ({"capabilities": able(distribution_like=False), "siblings": (Tag("x"),)}, Strategy.REFUSE),
        ({"capabilities": able(distribution_like=False)}, Strategy.DIGEST),
        ({"capabilities": able(delete=DeleteAbility.DISABLED)}, Strategy.REFUSE),
        ({"capabilities": able(delete=DeleteAbility.DENIED)}, Strategy.REFUSE),
        ({"capabilities": able(delete=DeleteAbility.UNKNOWN)}, Strategy.REFUSE),
        ({"siblings": (Tag("latest"),), "recoverable": False}, Strategy.REFUSE),
        ({"protected_tags": ("1.*",)}, Strategy.REFUSE),
        ({"tag": None, "siblings": (Tag("a"), Tag("v1")), "protected_tags": ("v*",)}, Strategy.REFUSE),
    ],
)
def test_each_kind_of_registry_has_its_way(changes: dict[str, Any], strategy: Strategy) -> None:
    found = plan(**changes)
    assert found.strategy is strategy
    assert (found.refused is None) is (strategy is not Strategy.REFUSE)
    assert (found.removes == ()) is (strategy is Strategy.REFUSE)


@pytest.mark.parametrize("product", sorted(REFUSE_TAGGED))
def test_where_tagged_manifests_cannot_go_nothing_is_overwritten(product: str) -> None:
    """A placeholder there would stay under the tag for ever."""
    known = able(product=product, distribution_like=False)
    for siblings in ((), (Tag("latest"),)):
        assert plan(capabilities=known, siblings=siblings).strategy is Strategy.REFUSE
    by_digest = plan(capabilities=known, tag=None, siblings=(Tag("1.0"),))
    assert by_digest.remedy == "Delete its tags first."
    # Google deletes tags by their name; then nothing stands against it.
    assert plan(capabilities=able(product=product, tag_delete=True)).strategy is Strategy.NATIVE


def test_a_refusal_says_what_to_change() -> None:
    off = plan(capabilities=able(delete=DeleteAbility.DISABLED, detail="405 UNSUPPORTED"))
    assert "405 UNSUPPORTED" in (off.refused or "")
    assert "storage.delete.enabled: true" in (off.remedy or "")
    assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in (off.remedy or "")
    child = plan(tag=None, parents=(PARENT,))
    assert PARENT.short in (child.refused or "")
    assert (child.calls, child.undo, child.warnings) == ((), None, ())
    many = plan(tag=None, parents=tuple(Digest.of(bytes([n])) for n in range(5)))
    assert "and 2 more" in (many.refused or "")


def test_what_is_shared_frees_nothing_and_orphans_nothing() -> None:
    shared = plan(siblings=(Tag("latest"),), orphans=(SIGNATURE, ENTRY))
    assert (shared.bytes_freed, shared.orphans) == (0, ())
    assert (shared.spares, shared.removes) == (("latest",), ("1.0",))
    assert "other tags" in (shared.bytes_note or "")
    needed = plan(parents=(PARENT,), orphans=(SIGNATURE,))
    assert (needed.bytes_freed, needed.orphans) == (0, ())
    assert "an index names it" in needed.warnings[0]


def test_what_is_alone_names_what_it_leaves() -> None:
    alone = plan(orphans=(SIGNATURE, ENTRY))
    assert (alone.bytes_freed, alone.orphans, alone.take_orphans) == (700, (SIGNATURE, ENTRY), False)
    assert "1 × cosign signature" in alone.warnings[0]
    taken = plan(DeletionChoices(take_orphans=True), orphans=(SIGNATURE, ENTRY))
    assert taken.take_orphans
    assert [call.path.rpartition("/")[2] for call in taken.calls if call.why.startswith("delete its")] == [
        SIGNATURE.digest,
        ENTRY.digest,
    ]
    # By its tag alone the index stays, and so do its entries.
    by_tag = plan(DeletionChoices(tag_only=True), orphans=(SIGNATURE, ENTRY))
    assert (by_tag.strategy, by_tag.orphans) == (Strategy.PLACEHOLDER, (SIGNATURE,))


def test_the_last_tag_is_announced() -> None:
    assert any("last tag" in warning for warning in plan(other_tags=False).warnings)
    assert not any("last tag" in warning for warning in plan(other_tags=False, siblings=(Tag("b"),)).warnings)


def test_the_requests_are_those_that_are_made() -> None:
    methods = [(call.method, call.path.rpartition("/")[2]) for call in plan(siblings=(Tag("latest"),)).calls]
    assert methods == [
        ("HEAD", "1.0"),
        ("DELETE", "<digest never seen before>"),
        ("POST", ""),
        ("POST", ""),
        ("PUT", "1.0"),
        ("HEAD", "1.0"),
        ("DELETE", "<digest of the placeholder>"),
        ("HEAD", "1.0"),
        ("HEAD", "latest"),
    ]
    many = plan(siblings=tuple(Tag(f"t{number}") for number in range(9)))
    assert many.calls[-1].why == "the same for 6 more"
    harbor = plan(capabilities=HARBOR).calls[1]
    assert harbor.path == "/api/v2.0/projects/shop/repositories/app/artifacts/1.0/tags/1.0"


@given(
    st.builds(
        facts,
        tag=st.sampled_from([None, Tag("1.0")]),
        siblings=st.sampled_from([(), (Tag("a"),), (Tag("a"), Tag("b"))]),
        siblings_complete=st.booleans(),
        other_tags=st.booleans(),
        parents=st.sampled_from([(), (PARENT,)]),
        orphans=st.sampled_from([(), (SIGNATURE,), (SIGNATURE, ENTRY)]),
        protected_tags=st.sampled_from([(), ("a",), ("*",)]),
        recoverable=st.booleans(),
        capabilities=st.builds(
            able,
            delete=st.sampled_from(DeleteAbility),
            tag_delete=st.sampled_from([None, False, True]),
            product=st.sampled_from([None, "Harbor", "Docker Hub", "GitHub Container Registry", "zot"]),
            distribution_like=st.booleans(),
        ),
    ),
    st.builds(DeletionChoices, take_orphans=st.booleans(), tag_only=st.booleans()),
)
def test_no_plan_harms_what_it_does_not_name(known: DeletionFacts, choices: DeletionChoices) -> None:
    found = plan_deletion(known, choices, NOW)
    assert (found.strategy is Strategy.REFUSE) is (found.refused is not None)
    if found.strategy is Strategy.REFUSE:
        assert (found.removes, found.take_orphans) == ((), False)
        return
    assert not any(protecting_pattern(tag, known.protected_tags) for tag in found.removes)
    assert known.capabilities.delete in (DeleteAbility.ENABLED, DeleteAbility.UNKNOWN)
    if found.strategy is Strategy.DIGEST:
        assert not known.parents
        assert set(known.siblings) <= set(found.removes)
        assert known.tag is None or (known.siblings_complete and not choices.tag_only)
    if found.strategy is Strategy.PLACEHOLDER:
        assert known.capabilities.distribution_like
        assert known.recoverable
        assert known.capabilities.delete is DeleteAbility.ENABLED
    assert found.removes == ((known.tag,) if known.tag else known.siblings)
    assert found.orphans == () or not (known.parents or (known.tag and known.siblings))


@pytest.mark.parametrize("media_type", [MediaType.OCI_INDEX, MediaType.DOCKER_MANIFEST, MediaType.SCHEMA1_SIGNED])
def test_no_two_placeholders_are_alike(media_type: str) -> None:
    made = {make_placeholder(Tag("1.0"), media_type, NOW, nonce).digest for nonce in ("a", "b", "c")}
    assert len(made) == 3
    one = make_placeholder(Tag("1.0"), media_type, NOW, "a")
    oci = media_type == MediaType.OCI_INDEX
    assert one.media_type == (MediaType.OCI_MANIFEST if oci else MediaType.DOCKER_MANIFEST)
    assert Digest.of(one.config).encode() in one.manifest
    assert b"%d" % len(one.config) in one.manifest
