"""What differs between two images."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubedash.artifacts.secrets import MASK
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.policy.comparison import compare_inside, compare_layers, pair_platforms, sum_layers
from kubedash.records import (
    Change,
    Child,
    ConfigView,
    Freshness,
    Healthcheck,
    Image,
    LabelView,
    LayerView,
    PlatformComparison,
    SyncState,
)

NAMES = st.lists(st.sampled_from("abcdefgh"), max_size=12)


def digest(text: str) -> Digest:
    return Digest.of(text.encode())


def layer(text: str, size: int | None = 10) -> LayerView:
    return LayerView(digest=digest(text), size=size, media_type="tar", created_by=f"RUN {text}")


def child(text: str, platform: str | None, attests: str | None = None) -> Child:
    about = digest(attests) if attests else None
    return Child(digest=digest(text), platform=platform, size=5, kind="image", media_type=None, attests=about)


def image(name: str, **changes: Any) -> Image:
    values: dict[str, Any] = {
        "artifact_type": None,
        "platforms": (),
        "created": None,
        "size": None,
        "aliases": (),
        "signed": None,
        "worst_severity": None,
        "tags": (),
        "config": None,
        "layers": (),
        "manifests": (),
        "attachments": (),
        "annotations": {},
        "labels": (),
        "metadata": {},
        "subject": None,
        "parents": (),
        "platform": "linux/amd64",
        "config_json": None,
        "manifest_size": 1,
        "problem": None,
        "freshness": Freshness(state=SyncState.FRESH),
        "kind": "image",
        "media_type": "m",
    }
    repository = RepositoryName("app")
    own = digest(name)
    return Image(
        **{
            "registry": "prod",
            "repository": repository,
            "reference": f"app:{name}",
            "name": name,
            "digest": own,
            "shown": own,
            **values,
            **changes,
        }
    )


def inside(before: Image, after: Image, *, reveal: bool = False) -> PlatformComparison:
    (pair,) = pair_platforms(before, after)
    return compare_inside(pair, before, after, reveal=reveal)


def told(changes: Any) -> list[tuple[str, str, str | None, str | None]]:
    return [(change.name, str(change.change), change.before, change.after) for change in changes]


def test_settings_that_differ_are_listed_and_others_not() -> None:
    check = Healthcheck(test=("CMD", "true"), interval=5.0)
    old = image("1", config=ConfigView(cmd=("serve",), user="app", working_dir="/srv", healthcheck=check))
    new = image("2", config=ConfigView(cmd=("serve", "--fast"), user="app", exposed_ports=("80/tcp",)))
    found = inside(old, new)
    assert told(found.config) == [
        ("cmd", "changed", '["serve"]', '["serve", "--fast"]'),
        ("exposed_ports", "added", None, '["80/tcp"]'),
        ("working_dir", "removed", "/srv", None),
        ("healthcheck", "removed", '{"test": ["CMD", "true"], "interval": 5.0}', None),
    ]
    assert found.change is Change.CHANGED


def test_secrets_are_compared_before_they_are_masked() -> None:
    old = image("1", config=ConfigView(env=("A=1", "DB_PASSWORD=one", "API_TOKEN=same"), cmd=("--password=one",)))
    new = image("2", config=ConfigView(env=("A=1", "DB_PASSWORD=two", "API_TOKEN=same"), cmd=("--password=two",)))
    hidden = inside(old, new)
    assert told(hidden.env) == [("DB_PASSWORD", "changed", MASK, MASK)]
    assert hidden.env[0].masked
    assert hidden.config[0].masked
    assert "two" not in str(hidden)
    shown = inside(old, new, reveal=True)
    assert told(shown.env) == [("DB_PASSWORD", "changed", "one", "two")]
    assert not shown.env[0].masked


def test_masked_commands_of_layers_stay_masked() -> None:
    secret = LayerView(digest=digest("l"), size=1, media_type=None, created_by="ENV DB_PASSWORD=one")
    found = inside(image("1", layers=(secret,)), image("2", layers=(secret,)))
    assert found.layers[0].created_by == f"ENV DB_PASSWORD={MASK}"


def test_of_a_variable_that_is_set_twice_the_last_counts() -> None:
    old = image("1", config=ConfigView(env=("A=1", "A=2")))
    assert inside(old, image("2", config=ConfigView(env=("A=2",)))).env == ()


def test_labels_are_compared_by_the_value_that_counts() -> None:
    def label(value: str, source: str) -> LabelView:
        return LabelView(key="version", value=value, source=source, meaning="version")

    old = image("1", labels=(label("1", "manifest annotation"), label("0", "config label")))
    new = image("2", labels=(label("2", "manifest annotation"), label("0", "config label")))
    assert told(inside(old, new).labels) == [("version", "changed", "1", "2")]


def test_artifacts_are_compared_by_their_own_config() -> None:
    old = image("1", config_json='{"name": "web", "version": "1.0", "keywords": ["a"]}')
    new = image("2", config_json='{"name": "web", "version": "1.1"}')
    assert told(inside(old, new).config) == [
        ("version", "changed", "1.0", "1.1"),
        ("keywords", "removed", '["a"]', None),
    ]
    assert told(inside(old, image("3", config_json="[broken")).config)[0] == ("config", "added", None, "[broken")


def test_layers_keep_their_order_and_what_went_follows_what_it_lay_on() -> None:
    found = compare_layers([layer(name) for name in "axbyc"], [layer(name) for name in "abnc"])
    assert [(str(entry.change), entry.created_by) for entry in found] == [
        ("same", "RUN a"),
        ("removed", "RUN x"),
        ("same", "RUN b"),
        ("removed", "RUN y"),
        ("added", "RUN n"),
        ("same", "RUN c"),
    ]


def test_sums_count_a_digest_once_and_do_not_make_up_sizes() -> None:
    old = [layer("a"), layer("a"), layer("b", 7)]
    new = [layer("a"), layer("c", 3), layer("c", 3), layer("d", None)]
    sums = sum_layers(compare_layers(old, new))
    assert (sums.shared, sums.shared_size) == (1, 10)
    assert (sums.removed, sums.removed_size) == (1, 7)
    assert (sums.added, sums.added_size) == (2, None)


@given(NAMES, NAMES)
def test_every_layer_of_either_is_told_once(old: list[str], new: list[str]) -> None:
    found = compare_layers([layer(name) for name in old], [layer(name) for name in new])
    of_new = [entry.digest for entry in found if entry.change is not Change.REMOVED]
    assert of_new == [digest(name) for name in new]
    assert {entry.digest for entry in found if entry.change is Change.ADDED} == {digest(n) for n in set(new) - set(old)}
    removed = [entry.digest for entry in found if entry.change is Change.REMOVED]
    assert sorted(removed) == sorted(digest(name) for name in old if name not in new)


def test_platforms_are_paired_by_name_and_attestations_left_out() -> None:
    old = image("1", manifests=(child("a", "linux/amd64"), child("m", "linux/mips"), child("att", None, "a")))
    new = image("2", manifests=(child("b", "linux/arm64"), child("a", "linux/amd64"), child("n", None)))
    pairs = pair_platforms(old, new)
    assert [(pair.platform, str(pair.change)) for pair in pairs] == [
        ("linux/arm64", "added"),
        ("linux/amd64", "same"),
        (None, "added"),
        ("linux/mips", "removed"),
    ]


def test_a_plain_image_is_paired_with_its_platform_of_an_index() -> None:
    index = image("2", manifests=(child("b", "linux/arm64"), child("c", "linux/amd64")))
    changes = {pair.platform: str(pair.change) for pair in pair_platforms(image("1"), index)}
    assert changes == {"linux/arm64": "added", "linux/amd64": "changed"}


def test_a_platform_named_twice_is_two_platforms() -> None:
    old = image("1", manifests=(child("a", "linux/amd64"), child("b", "linux/amd64")))
    new = image("2", manifests=(child("a", "linux/amd64"), child("c", "linux/amd64")))
    assert [str(pair.change) for pair in pair_platforms(old, new)] == ["same", "changed"]


def test_two_plain_images_are_compared_whatever_their_platforms() -> None:
    (pair,) = pair_platforms(image("1", platform="linux/arm64"), image("2", platform=None))
    assert (pair.platform, pair.change) == ("linux/arm64", Change.CHANGED)
