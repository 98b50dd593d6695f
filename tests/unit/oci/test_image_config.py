"""Image configs, and history beside layers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import parse_time
from kubedash.oci.digest import Digest
from kubedash.oci.image_config import (
    Healthcheck,
    HistoryStep,
    ImageConfig,
    RuntimeConfig,
    pair_history_with_layers,
    parse_config_head,
    parse_image_config,
)
from kubedash.oci.manifest import Descriptor, Platform

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OUTER = [
    "created",
    "author",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "config",
    "rootfs",
    "history",
]
INNER = ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "Labels", "Healthcheck", "OnBuild", "Shell"]
inner_configs = st.dictionaries(st.sampled_from(INNER), json_values, max_size=5)
steps = st.dictionaries(st.sampled_from(["created", "created_by", "comment", "empty_layer", "author"]), json_values)
configs = st.dictionaries(
    st.sampled_from(OUTER), json_values | inner_configs | st.lists(steps | json_values, max_size=3)
)


def parse(**document: Any) -> ImageConfig:
    return parse_image_config(json.dumps(document).encode())


def runtime(**document: Any) -> RuntimeConfig:
    return parse(config=document).config


def layer(number: int) -> Descriptor:
    return Descriptor("layer", Digest.of(b"%d" % number), number)


@given(configs)
def test_no_object_makes_it_raise(document: dict[str, Any]) -> None:
    raw = json.dumps(document).encode()
    found, head = parse_image_config(raw), parse_config_head(raw)
    assert (found.created, found.platform, found.config) == (head.created, head.platform, head.config)
    assert found.created is None or found.created.tzinfo is UTC


@given(st.binary(max_size=100))
def test_other_bytes_are_refused(raw: bytes) -> None:
    try:
        parse_image_config(raw)
    except InvalidInput:
        return
    assert isinstance(json.loads(raw), dict)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\x1f\x8b", b'{"a":' * 100_000])
def test_what_is_no_config_is_refused(raw: bytes) -> None:
    for read in (parse_image_config, parse_config_head):
        with pytest.raises(InvalidInput):
            read(raw)


def test_a_config_in_full() -> None:
    found = parse(
        created="2024-05-01T10:11:12.123456789Z",
        author="Example",
        architecture="arm",
        os="linux",
        variant="v7",
        config={
            "User": "www:www",
            "ExposedPorts": {"443/tcp": {}, "80": {}, "53/udp": None},
            "Env": ["PATH=/bin", "EMPTY=", "EQUALS=a=b"],
            "Entrypoint": ["/entry"],
            "Cmd": ["run", "--fast"],
            "Volumes": {"/data": {}, "/cache": {}},
            "WorkingDir": "/srv",
            "Labels": {"a": "b"},
            "StopSignal": "SIGQUIT",
            "ArgsEscaped": True,
            "OnBuild": ["RUN make"],
            "Shell": ["/bin/bash", "-c"],
        },
        rootfs={"type": "layers", "diff_ids": [Digest.of(b"x")]},
        history=[{"created": "1970-01-01T00:00:00Z", "created_by": "RUN x", "comment": "c", "author": "a"}],
    )
    assert found == ImageConfig(
        created=datetime(2024, 5, 1, 10, 11, 12, 123456, UTC),
        author="Example",
        platform=Platform("linux", "arm", "v7"),
        config=RuntimeConfig(
            entrypoint=("/entry",),
            cmd=("run", "--fast"),
            env=("PATH=/bin", "EMPTY=", "EQUALS=a=b"),
            labels={"a": "b"},
            working_dir="/srv",
            user="www:www",
            volumes=("/cache", "/data"),
            exposed_ports=("53/udp", "80/tcp", "443/tcp"),
            stop_signal="SIGQUIT",
            shell=("/bin/bash", "-c"),
            on_build=("RUN make",),
        ),
        history=(HistoryStep(created_by="RUN x", comment="c", author="a"),),
        diff_ids=(Digest.of(b"x"),),
    )


def test_a_windows_config() -> None:
    found = parse(os="windows", architecture="amd64", **{"os.version": "10.0.17763.1", "os.features": ["win32k"]})
    assert found.platform == Platform("windows", "amd64", None, "10.0.17763.1", ("win32k",))


@pytest.mark.parametrize("key", [*OUTER, "unheard-of"])
def test_every_field_may_be_null_or_missing(key: str) -> None:
    assert parse(**{key: None}) == parse() == ImageConfig()


@pytest.mark.parametrize("key", INNER)
def test_every_field_inside_may_be_null_or_missing(key: str) -> None:
    assert runtime(**{key: None}) == RuntimeConfig()


def test_fields_of_the_wrong_type_are_noted_and_the_others_stay() -> None:
    found = parse(created=5, author="Example", history="none", config={"Env": "A=b", "User": "u", "Labels": ["x"]})
    assert (found.author, found.config.user, found.config.env, found.config.labels) == ("Example", "u", (), {})
    assert found.problem == "config.Env is text; config.Labels is a list; history is text"
    assert runtime(ExposedPorts={"80": {}, "81": None}, Env=5).exposed_ports == ("80/tcp",)


def test_commands_of_very_old_images_are_one_text() -> None:
    assert runtime(Cmd="run it", Entrypoint="").cmd == ("/bin/sh", "-c", "run it")
    assert runtime(Cmd=[], Entrypoint="").entrypoint is None
    broken = parse(config={"Cmd": "run it", "Entrypoint": ["a", None, 1], "User": {}})
    assert (broken.config.cmd, broken.config.entrypoint) == (("/bin/sh", "-c", "run it"), ("a", "1"))


def test_a_healthcheck_is_in_seconds_and_zero_is_inherited() -> None:
    wire = {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 30_000_000_000,
        "Timeout": 0,
        "StartPeriod": 1_500_000_000,
        "Retries": 3,
    }
    assert runtime(Healthcheck=wire).healthcheck == Healthcheck(
        test=("CMD-SHELL", "true"), interval=30.0, start_period=1.5, retries=3
    )
    assert runtime(Healthcheck={"Retries": -1, "Interval": -5}).healthcheck == Healthcheck(test=())
    assert runtime(Healthcheck={"Retries": 10**25, "Interval": 10**400}).healthcheck == Healthcheck(test=())


def test_a_label_may_be_as_long_as_it_likes() -> None:
    value = "ü" * 65_536
    assert runtime(Labels={"long": value}).labels == {"long": value}


def test_one_invalid_diff_id_makes_all_useless() -> None:
    found = parse(rootfs={"diff_ids": [Digest.of(b"x"), "sha256:0"]})
    assert (found.diff_ids, found.problem) == ((), "rootfs.diff_ids holds an invalid digest")
    assert parse(rootfs={"diff_ids": None}).diff_ids == ()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T10:11:12Z", datetime(2024, 5, 1, 10, 11, 12, tzinfo=UTC)),
        ("2024-05-01T10:11:12.999999999Z", datetime(2024, 5, 1, 10, 11, 12, 999999, UTC)),
        ("2024-05-01T12:11:12.5+02:00", datetime(2024, 5, 1, 10, 11, 12, 500000, UTC)),
        ("2024-05-01T10:11:12", datetime(2024, 5, 1, 10, 11, 12, tzinfo=UTC)),
        ("1980-06-01T00:00:00Z", datetime(1980, 6, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:01Z", None),
        ("1969-12-31T16:00:00-08:00", None),
        ("1980-01-01T00:00:01Z", None),
        ("9999-12-31T23:59:59-02:00", None),
        ("2024-13-01T00:00:00Z", None),
        ("yesterday", None),
        ("2" * 100, None),
        ("", None),
        (None, None),
    ],
)
def test_times_that_say_nothing_are_none(text: str | None, moment: datetime | None) -> None:
    found = parse_time(text)
    assert found == moment
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: moment.year > 1980))
def test_times_with_any_offset_become_the_same_moment_in_utc(moment: datetime) -> None:
    text = moment.isoformat()
    try:
        expected = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        return
    assert parse_time(text) == expected


histories = st.lists(st.booleans().map(lambda empty: HistoryStep(created_by="x", empty=empty)), max_size=8)


@given(histories, st.integers(0, 8))
def test_layers_are_never_shifted(history: list[HistoryStep], count: int) -> None:
    layers = [layer(number) for number in range(count)]
    built = pair_history_with_layers(history, layers)
    assert [step.layer for step in built if step.layer] == layers
    if sum(not step.empty for step in history) == count:
        assert [step.empty for step in built] == [step.layer is None for step in built] == [s.empty for s in history]
        assert all(step.created_by == "x" for step in built)
    else:
        assert all(step.created_by is None for step in built)


def test_each_layer_stands_beside_its_instruction() -> None:
    history = parse(
        history=[
            {"created_by": "ADD file", "created": "2024-05-01T10:11:12Z"},
            {"created_by": "CMD x", "empty_layer": True},
            {"created_by": "RUN y", "comment": "buildkit.dockerfile.v0"},
        ]
    ).history
    built = pair_history_with_layers(history, [layer(1), layer(2)])
    assert [(step.created_by, step.layer) for step in built] == [
        ("ADD file", layer(1)),
        ("CMD x", None),
        ("RUN y", layer(2)),
    ]
    assert built[2].comment == "buildkit.dockerfile.v0"
    assert built[0].created == datetime(2024, 5, 1, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_history_of_another_length_names_no_layer(count: int) -> None:
    history = [HistoryStep(created_by="a"), HistoryStep(created_by="b"), HistoryStep(created_by="c", empty=True)]
    layers = [layer(number) for number in range(count)]
    assert [(step.created_by, step.layer) for step in pair_history_with_layers(history, layers)] == [
        (None, item) for item in layers
    ]
