"""However a change ended, its page says so: done, undone, half done, not known, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import ChangeOutcome, ChangeState
from kubedash.web.pages.results import DeletedView, PointedView
from kubedash.web.rendering import Here, Renderer, Shell
from tests.support.pages import ADMIN, HOSTILE

OLD = Digest.of(b"old")
WORDS = {
    ChangeState.DONE: "Done.",
    ChangeState.UNDONE: "Not done: everything is as it was.",
    ChangeState.UNDO_PENDING: "Half done: it is being put back.",
    ChangeState.FAILED: "Not done.",
    ChangeState.UNKNOWN: "Not known yet.",
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def outcome(state: ChangeState, **changes: Any) -> ChangeOutcome:
    done = state is ChangeState.DONE
    base = ChangeOutcome(
        action="tag.delete",
        registry="prod",
        repository=RepositoryName("shop/app"),
        tag=Tag("1.0"),
        digest=None if done else OLD,
        old_digest=OLD,
        state=state,
        sentence="What happened.",
        restorable=done,
        detail=HOSTILE,
        hint="Set `storage.delete.enabled: true`.",
        at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    return msgspec.structs.replace(base, **changes)


def rendered(renderer: Renderer, template: str, view: msgspec.Struct) -> str:
    shell = Shell(
        actor=ADMIN,
        path="/",
        section="registries",
        theme="auto",
        tool="docker",
        csrf="token",
        request_id="id",
        notice=None,
        may={"users:manage": True, "audit:read": True, "events:forward": True, "tags:write": True},
    )
    return renderer.render(template, view=view, shell=shell, here=Here("/", {}))


@pytest.mark.parametrize("state", ChangeState)
def test_a_deletion_says_how_it_ended(renderer: Renderer, state: ChangeState) -> None:
    found = outcome(state)
    html = rendered(renderer, "changes/deleted.html", DeletedView(outcome=found, name="1.0"))
    assert WORDS[state] in html
    assert "What happened." in html
    assert HOSTILE not in html
    assert '<code dir="ltr">storage.delete.enabled: true</code>' in html
    done = state is ChangeState.DONE
    assert ("Restore 1.0" in html) is done
    assert ("Not deleted:" in html) is not done


def test_what_was_repaired_and_what_could_not_be_taken_along_is_told(renderer: Renderer) -> None:
    left, gone = Digest.of(b"left"), Digest.of(b"gone")
    found = outcome(
        ChangeState.DONE,
        verified=(Tag("latest"),),
        repaired=(Tag("stable"),),
        orphans_removed=(gone,),
        orphans_left=(left,),
    )
    html = rendered(renderer, "changes/deleted.html", DeletedView(outcome=found, name="1.0"))
    for shown in ("latest", "stable", "the registry had dropped them", "1 deleted along with it", left):
        assert shown in html, shown


def test_a_tag_that_could_not_be_pointed_says_what_was_answered(renderer: Renderer) -> None:
    html = rendered(renderer, "changes/pointed.html", PointedView(outcome=outcome(ChangeState.FAILED)))
    assert WORDS[ChangeState.FAILED] in html
    assert "The registry answered" in html
    assert "/r/prod/shop" in html.replace("&#x2f;", "/")
