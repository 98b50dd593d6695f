"""Image lists, tag lists, images and the search: field names, types and meaning of the contract."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pytest

from tests.api.house import House, fields_of
from tests.support.small_registry import MULTI, PLATFORMS, SECRET_VALUE, SINGLE, VERSIONS

TAGS = f"/registries/main/tags?repository={SINGLE}"
IMAGE = f"/registries/main/image?repository={SINGLE}&reference=1.0"
INDEX = f"/registries/main/image?repository={MULTI}&reference=2.0"
UNKNOWN_DIGEST = f"sha256:{'0' * 64}"


def check_list(body: dict[str, Any]) -> list[dict[str, Any]]:
    assert {"items", "next", "as_of"} <= body.keys()
    assert body["next"] is None or isinstance(body["next"], str)
    items: list[dict[str, Any]] = body["items"]
    return items


def check_time(text: str) -> None:
    assert text.endswith("Z")
    assert datetime.fromisoformat(text).utcoffset() is not None


def check_digest(text: str) -> None:
    assert len(text) == len("sha256:") + 64


def test_an_image_list(house: House) -> None:
    body = house.ask("GET", "/registries/main/repositories", role="viewer", status=200).json()
    check_time(body["as_of"])
    rows = {row["name"]: row for row in check_list(body)}
    assert set(rows) == {SINGLE, MULTI}
    row = rows[SINGLE]
    assert {"kind", "newest_tag", "size", "pushed_at", "last_pulled", "last_synced"} <= row.keys()
    assert row["tag_count"] == 4
    assert row["kind"] == "image"
    assert row["size"] > 0
    assert row["last_pulled"] is None
    check_time(row["last_synced"])
    assert rows[MULTI]["tag_count"] == 1


def test_a_tag_list(house: House) -> None:
    body = house.ask("GET", TAGS, role="viewer", status=200).json()
    check_time(body["as_of"])
    rows = {row["name"]: row for row in check_list(body)}
    assert set(rows) == {*VERSIONS, "latest"}
    row = rows["latest"]
    check_digest(row["digest"])
    check_time(row["created"])
    assert row["digest"] == rows["1.10"]["digest"]
    assert row["aliases"] == ["1.10"]
    assert row["platforms"] == ["linux/amd64"]
    assert row["media_type"] == "application/vnd.oci.image.manifest.v1+json"
    assert (row["kind"], row["signed"], row["worst_severity"]) == ("image", None, None)
    assert row["size"] > 0


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("version", [*VERSIONS]),
        ("-version", [*reversed(VERSIONS)]),
        ("name", ["1.0", "1.10", "1.2"]),
    ],
)
def test_a_tag_list_sorts_and_filters(house: House, sort: str, names: list[str]) -> None:
    body = house.ask("GET", f"{TAGS}&q=1.&sort={sort}", status=200).json()
    assert [row["name"] for row in body["items"]] == names


def test_lists_are_walked_by_cursor(house: House) -> None:
    for path in (TAGS, "/registries/main/repositories?", "/registries?", "/users?", "/tokens?", "/audit?"):
        whole = [str(item) for item in house.ask("GET", path, status=200).json()["items"]]
        found, cursor = [], ""
        while True:
            body = house.ask("GET", f"{path}&limit=1{cursor}", status=200).json()
            assert len(body["items"]) <= 1
            found += [str(item) for item in body["items"]]
            if body["next"] is None:
                break
            cursor = f"&cursor={body['next']}"
        assert found == whole


def test_machine_tags_are_folded(house: House) -> None:
    path = f"/registries/main/tags?repository={MULTI}"
    assert [row["name"] for row in house.ask("GET", path).json()["items"]] == ["2.0"]
    assert len(house.ask("GET", f"{path}&folded=true").json()["items"]) == 2


def test_an_image(house: House) -> None:
    image = house.ask("GET", IMAGE, role="viewer", status=200).json()
    assert image["repository"] == SINGLE
    assert image["reference"] == f"{SINGLE}:1.0"
    assert image["name"] == "1.0"
    assert image["tags"] == ["1.0"]
    config = image["config"]
    assert config["entrypoint"] == ["/bin/single"]
    assert config["cmd"] == ["--serve"]
    assert config["env"][0] == "PATH=/bin"
    assert config["working_dir"] == "/srv"
    assert config["user"] == "1000"
    assert config["volumes"] == ["/data"]
    assert config["exposed_ports"] == ["8080/tcp"]
    assert config["labels"]["org.opencontainers.image.version"] == "1.0"
    assert image["metadata"]["version"] == "1.0"
    assert image["metadata"]["title"] == "Single"
    assert isinstance(image["annotations"], dict)
    assert image["manifests"] == []
    assert {"digest", "size", "media_type", "created_by"} <= image["layers"][0].keys()
    assert image["layers"][0]["created_by"].startswith("COPY")
    assert (image["signed"], image["worst_severity"]) == (None, None)


def test_secret_values_are_masked_for_viewers(house: House) -> None:
    answer = house.ask("GET", IMAGE, role="viewer")
    assert SECRET_VALUE not in answer.text
    assert answer.json()["config"]["env_masked"] == 1
    house.ask("GET", f"{IMAGE}&reveal=true", role="viewer", status=403)
    assert SECRET_VALUE in house.ask("GET", f"{IMAGE}&reveal=true", role="maintainer", status=200).text


def test_an_index(house: House) -> None:
    image = house.ask("GET", INDEX, status=200).json()
    assert image["kind"] == "index"
    assert image["platforms"] == list(PLATFORMS)
    assert [child["platform"] for child in image["manifests"]] == list(PLATFORMS)
    for child in image["manifests"]:
        assert {"digest", "platform", "size", "kind"} <= child.keys()
        check_digest(child["digest"])
    other = house.ask("GET", f"{INDEX}&platform=linux/arm64", status=200).json()
    assert other["platform"] == "linux/arm64"
    assert "platform" in fields_of(house.ask("GET", f"{INDEX}&platform=plan9/mips", status=422))


def test_an_image_by_digest(house: House) -> None:
    digest = house.ask("GET", IMAGE).json()["digest"]
    image = house.ask("GET", IMAGE.replace("reference=1.0", f"reference={digest}"), status=200).json()
    assert image["name"] == digest
    assert image["tags"] == ["1.0"]


def test_a_configuration(house: House) -> None:
    config = house.ask("GET", IMAGE.replace("image?", "image/config?"), role="viewer", status=200).json()
    assert config["entrypoint"] == ["/bin/single"]
    assert SECRET_VALUE not in str(config)


def test_a_manifest_in_its_exact_bytes(house: House) -> None:
    answer = house.ask("GET", IMAGE.replace("image?", "image/manifest?"), role="viewer", status=200)
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["content-type"] == "application/vnd.oci.image.manifest.v1+json"
    assert answer.json()["schemaVersion"] == 2
    assert house.ask("GET", IMAGE).json()["digest"] == digest


def test_what_is_attached(house: House) -> None:
    body = house.ask("GET", INDEX.replace("image?", "image/referrers?"), role="viewer", status=200).json()
    (found,) = check_list(body)
    assert {"digest", "subject", "kind", "artifact_type", "size", "created", "attached_by"} <= found.keys()
    assert found["attached_by"] == "cosign_tag"
    assert found["subject"] == house.ask("GET", INDEX).json()["digest"]


def test_the_search(house: House) -> None:
    hits = check_list(house.ask("GET", "/search?q=multi", role="viewer", status=200).json())
    assert {"what": "repository", "registry": "main", "repository": MULTI}.items() <= hits[0].items()
    assert house.ask("GET", "/search?q=%20", status=200).json()["items"] == []
    assert "q" in fields_of(house.ask("GET", "/search", status=422))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/registries/nope", 404),
        ("/registries/nope/repositories", 404),
        (f"/registries/nope/tags?repository={SINGLE}", 404),
        ("/registries/main/tags?repository=not/there", 404),
        (f"/registries/main/image?repository={SINGLE}&reference=no-such-tag", 404),
        (f"/registries/main/image?repository={SINGLE}&reference={UNKNOWN_DIGEST}", 404),
        (f"/registries/main/image/manifest?repository={SINGLE}&reference=no-such-tag", 404),
        ("/jobs/nope", 404),
        ("/nothing/here", 404),
        ("/registries/main/tags", 422),
        ("/registries/main/tags?repository=UPPER", 422),
        ("/registries/main/tags?repository=a/../b", 422),
        (f"/registries/main/image?repository={SINGLE}", 422),
        (f"/registries/main/image?repository={SINGLE}&reference=", 422),
        (f"/registries/main/image?repository={SINGLE}&reference=sha256:abc", 422),
        (f"/registries/main/image?repository={SINGLE}&reference=a%2Fb", 422),
        (f"{TAGS}&sort=colour", 422),
        (f"{TAGS}&limit=0", 422),
        (f"{TAGS}&limit=1001", 422),
        (f"{TAGS}&limit=many", 422),
        (f"{TAGS}&cursor=broken", 422),
        (f"{TAGS}&q={'x' * 401}", 422),
        ("/registries/main/repositories?cursor=%00", 422),
        ("/registries?sort=colour", 422),
        ("/registries?cursor=broken", 422),
    ],
)
def test_what_is_not_there_or_cannot_be_read(house: House, path: str, status: int) -> None:
    house.ask("GET", path, role="viewer", status=status)


def test_a_refusal_names_the_parameter(house: House) -> None:
    assert fields_of(house.ask("GET", f"{TAGS}&limit=0")) == {"limit"}
    assert fields_of(house.ask("GET", f"{TAGS}&sort=colour")) == {"sort"}
    assert fields_of(house.ask("GET", "/registries/main/tags?repository=UPPER")) == {"repository"}
    assert fields_of(house.ask("GET", f"/registries/main/image?repository={SINGLE}&reference=sha256:1")) == {
        "reference"
    }


def test_comparing_needs_a_maintainer_to_reveal(house: House) -> None:
    path = f"/registries/main/image/diff?repository={SINGLE}&reference=1.10&with=1.0"
    found = house.ask("GET", path, role="viewer", status=200).json()
    assert (found["same"], found["before"]["name"], found["after"]["name"]) == (False, "1.0", "1.10")
    (platform,) = found["platforms"]
    assert [(change["name"], change["change"]) for change in platform["labels"]] == [
        ("org.opencontainers.image.version", "changed")
    ]
    assert platform["sums"]["shared"] == 1
    house.ask("GET", f"{path}&reveal=true", role="viewer", status=403)
    house.ask("GET", f"{path}&reveal=true", role="maintainer", status=200)
    house.ask("GET", path.replace("&with=1.0", ""), status=422)
    house.ask("GET", f"{path}-nope", status=404)
