"""Plans of tags that are added, moved and restored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.retagging import RetagFacts, plan_retag
from kubedash.records import RetagPlan

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
OLD, NEW = Digest.of(b"old"), Digest.of(b"new")


def plan(**changes: Any) -> RetagPlan:
    known: dict[str, Any] = {
        "registry": "prod",
        "repository": RepositoryName("shop/app"),
        "tag": Tag("latest"),
        "source": "2.0",
        "digest": NEW,
        "old_digest": None,
        "media_type": MediaType.OCI_MANIFEST,
        "kind": "image",
        "is_schema1": False,
        "leaves_untagged": False,
        "protected_tags": (),
    }
    return plan_retag(RetagFacts(**known | changes), NOW)


def test_a_new_tag_needs_no_confirmation() -> None:
    found = plan()
    assert (found.moves, found.nothing_to_do, found.refused) == (False, False, None)
    assert [call.method for call in found.calls] == ["PUT", "HEAD"]


def test_a_move_names_both_digests_and_the_way_back() -> None:
    found = plan(old_digest=OLD, leaves_untagged=True)
    assert (found.moves, found.old_digest, found.digest) == (True, OLD, NEW)
    assert OLD in (found.undo or "")
    assert OLD.short in found.warnings[0]


def test_the_way_back_from_a_new_tag_is_none_that_protection_refuses() -> None:
    assert "Delete the tag again" in (plan().undo or "")
    assert "Delete the tag again" in (plan(protected_tags=("v*",)).undo or "")
    for pattern, words in (("l*", "the pattern l* protects it"), ("latest", "protected by its name")):
        undo = plan(protected_tags=("v*", pattern)).undo or ""
        assert words in undo
        assert "neither moved nor deleted" in undo
        assert "An administrator can change the protected tags" in undo


def test_what_points_there_already_is_no_move() -> None:
    found = plan(old_digest=NEW, protected_tags=("latest",))
    assert (found.moves, found.nothing_to_do, found.refused, found.undo) == (False, True, None, None)


def test_refusals_say_why() -> None:
    assert "protected by its name" in (plan(old_digest=OLD, protected_tags=("latest",)).refused or "")
    assert "oldest format" in (plan(is_schema1=True).refused or "")
    gone = plan(missing=tuple(Digest.of(bytes([number])) for number in range(4)))
    assert "and 1 more" in (gone.refused or "")
    assert (gone.calls, gone.undo) == ((), None)
