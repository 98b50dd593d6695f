"""What events say of repositories."""

from __future__ import annotations

import pytest

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.touches import Report, Told, Touched, touched_by

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
IMAGE = "application/vnd.oci.image.manifest.v1+json"
LATEST = Tag("latest")
GONE = Told(gone=True, actor="ann")
ANY = Told(actor="ann")
BY_ANN: dict[Digest, str | None] = {ONE: "ann"}


def report(action: str, tag: str | None = None, digest: str | None = None, media_type: str | None = IMAGE) -> Report:
    return Report(1, action, "team/app", tag, digest, media_type, "ann")


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        pytest.param([report("push", "latest", ONE)], Touched(tags={LATEST: Told(ONE, actor="ann")}), id="a push"),
        pytest.param(
            [report("push", "latest", ONE), report("push", "latest", TWO)],
            Touched(tags={LATEST: Told(TWO, actor="ann")}),
            id="the last word counts",
        ),
        pytest.param([report("push", "latest")], Touched(tags={LATEST: ANY}), id="a push that says no digest"),
        pytest.param([report("push", None, ONE)], Touched(pushed={ONE}), id="a part"),
        pytest.param([report("push", None, ONE, "application/octet-stream")], Touched(), id="a layer"),
        pytest.param([report("push")], Touched(whole=True), id="who knows what"),
        pytest.param([report("delete", "latest")], Touched(tags={LATEST: GONE}), id="a tag goes"),
        pytest.param([report("delete", None, ONE)], Touched(deleted=BY_ANN), id="a digest goes"),
        pytest.param([report("delete")], Touched(whole=True), id="a repository goes"),
        pytest.param(
            [report("push", None, ONE), report("delete", None, ONE)],
            Touched(deleted=BY_ANN),
            id="pushed and deleted",
        ),
        pytest.param(
            [report("delete", None, ONE), report("push", "latest", ONE)],
            Touched(tags={LATEST: Told(ONE, actor="ann")}),
            id="deleted and pushed again",
        ),
        pytest.param([report("pull", "latest", ONE)], Touched(hint=LATEST), id="a pull"),
        pytest.param([report("pull", None, ONE, "application/octet-stream")], Touched(), id="a layer's pull"),
        pytest.param([report("mount", None, ONE)], Touched(), id="a mount"),
        pytest.param([report("create")], Touched(whole=True), id="zot's new repository"),
        pytest.param([report("rename")], Touched(whole=True), id="GitLab's rename"),
        pytest.param([report("push", "latest", "sha256:short")], Touched(tags={LATEST: ANY}), id="an odd digest"),
    ],
)
def test_reports_are_gathered_by_repository(reports: list[Report], expected: Touched) -> None:
    assert touched_by(reports) == {(1, RepositoryName("team/app")): expected}


def test_names_that_break_the_grammar_are_about_nothing() -> None:
    assert touched_by([Report(1, "push", "../etc", "a", ONE, IMAGE), report("push", "no tag", ONE)]) == {}
