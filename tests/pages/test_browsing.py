"""The pages over a real registry with one of each kind of content, some of it hostile."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from demo.registry_process import RegistryProcess
from kubedash.records import Role
from kubedash.workflows import people
from tests.support import browsing
from tests.support.browsing import LONG, RTL, SECRET
from tests.support.pages import ADMIN, HOSTILE, HtmlPage, Site

EVE = "a password of the viewer"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with browsing.filled_registry(tmp_path_factory.mktemp("filled")) as process:
        yield process


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, registry: RegistryProcess) -> Iterator[Site]:
    with browsing.browsing_site(tmp_path_factory.mktemp("site"), registry) as site:
        site.call(people.add_user, ADMIN, "eve", Role.VIEWER, EVE)
        yield site


@pytest.fixture
def site(read: Site) -> Site:
    """The administrator is signed in."""
    read.client.cookies.clear()
    read.sign_in()
    return read


@pytest.fixture
def viewer(read: Site) -> Site:
    read.client.cookies.clear()
    read.sign_in("eve", EVE)
    return read


PAGES = (
    "/",
    "/r/sample",
    "/r/sample?namespace=shop",
    "/r/sample?sort=-size",
    "/r/sample/shop/app",
    "/r/sample/shop/app?folded=true&sort=name",
    "/r/sample/shop/multi?open=2.0",
    "/r/sample/shop/app:1.10.0",
    "/r/sample/shop/app:1.10.0?pull=digest",
    "/r/sample/shop/app:1.10.0/-/config",
    "/r/sample/shop/app:1.10.0/-/layers",
    "/r/sample/shop/app:1.10.0/-/layers/dockerfile",
    "/r/sample/shop/app:1.10.0/-/labels",
    "/r/sample/shop/app:1.10.0/-/manifest",
    "/r/sample/shop/multi:2.0",
    "/r/sample/shop/multi:2.0?platform=linux/arm64",
    "/r/sample/shop/multi:2.0/-/manifest",
    "/r/sample/charts/web:1.0.0_build.1",
    "/r/sample/charts/web:1.0.0_build.1/-/labels",
    "/r/sample/files/table:1",
    "/r/sample/files/table:1/-/layers",
    "/r/sample/bare:1",
    "/r/sample/bare:1/-/config",
    "/r/sample/bare:1/-/layers",
    "/r/sample/legacy:1",
    "/r/sample/legacy:1/-/config",
    "/r/sample/legacy:1/-/layers",
    "/r/sample/legacy:1/-/manifest",
    "/r/sample/emptied",
    f"/r/sample/{LONG}",
    "/search",
    "/search?q=app",
    "/search?q=<script>",
    "/registries/new",
    "/r/sample/-/settings",
    "/r/sample/-/remove",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_keeps_the_house_rules(site: Site, path: str) -> None:
    site.get_page(path)


def test_the_overview_leads_to_what_it_shows(site: Site) -> None:
    page = site.get_page("/")
    assert "reachable" in page.text
    assert "/r/sample" in page.links()
    assert "/r/sample/shop/multi:2.0" in page.links()
    assert "Add a registry" in page.text


def test_the_image_list_is_a_tree_and_a_list(site: Site) -> None:
    page = site.get_page("/r/sample")
    assert any("namespace=shop" in link for link in page.links())
    assert "/r/sample/shop/app" in page.links()
    assert "Helm chart" in page.text
    below = site.get_page("/r/sample?namespace=shop")
    assert below.heading == "sample/shop"
    assert "/r/sample/charts/web" not in below.links()
    charts = site.get_page("/r/sample?kind=chart")
    assert "/r/sample/charts/web" in charts.links()
    assert "/r/sample/shop/app" not in charts.links()


def test_no_match_offers_to_clear_the_filter(site: Site) -> None:
    page = site.get_page("/r/sample?q=nothing-like-this")
    assert "No image matches" in page.text
    assert "/r/sample" in page.links()
    page = site.get_page("/r/sample/shop/app?q=9.9.*")
    assert "No tag matches" in page.text


def test_tags_are_sorted_as_versions_and_know_their_aliases(site: Site) -> None:
    page = site.get_page("/r/sample/shop/app")
    names = [row.get("id") for row in page.all("tr") if (row.get("id") or "").startswith("tag-")]
    assert names == ["tag-1.10.0", "tag-1.9.0", "tag-latest"]
    assert "= latest" in page.text
    assert "signature: present, not checked" in page.text
    assert ".sig" not in page.text
    assert ".sig" in site.get_page("/r/sample/shop/app?folded=true").text


def test_an_index_unfolds_in_place(site: Site) -> None:
    folded = site.get_page("/r/sample/shop/multi")
    assert len(folded.all("tr", **{"class": "sub"})) == 0
    assert "linux/amd64 · arm64" in folded.text
    assert "each" in folded.text
    opened = site.get_page("/r/sample/shop/multi?open=2.0")
    assert len(opened.all("tr", **{"class": "sub"})) == 2


def test_a_fragment_is_the_rows_alone(site: Site) -> None:
    rows = site.get("/r/sample/shop/app", headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert rows.status_code == 200
    assert rows.text.lstrip().startswith("<table")
    assert 'id="tag-latest"' in rows.text


def test_an_emptied_repository_says_how_to_push(site: Site, registry: RegistryProcess) -> None:
    page = site.get_page("/r/sample/emptied")
    assert "No tags" in page.text
    assert f"docker push {registry.url.removeprefix('http://')}/emptied:1.0" in page.text


def test_hostile_labels_are_text(site: Site) -> None:
    for path in ("/r/sample/shop/app:1.10.0", "/r/sample/shop/app:1.10.0/-/labels"):
        page = site.get_page(path)
        assert HOSTILE in page.text
        assert not [link for link in page.links() if link.startswith("javascript:")]
        assert "javascript:alert(document.cookie)" in page.text
        isolated = {page.text_of(element) for element in page.all("bdi")}
        assert RTL.replace("\u202e", "\\u202e") in isolated, "what turns the direction is written out"
    source = page.find("a", href="https://git.example.com/shop/app")
    assert set((source.get("rel") or "").split()) >= {"noopener", "nofollow"}


def test_long_values_are_folded_and_shadowed_ones_marked(site: Site) -> None:
    page = site.get_page("/r/sample/shop/app:1.10.0/-/labels")
    assert "10,000 characters" in page.text
    assert "config label" in page.text


def test_secrets_are_masked_until_somebody_may_and_asks(site: Site) -> None:
    path = "/r/sample/shop/app:1.10.0/-/config"
    page = site.get_page(path)
    assert SECRET not in page.html
    assert "Show 1 masked value" in page.text
    assert "a=b=c" in page.text
    assert SECRET in site.get_page(f"{path}?reveal=1").text
    for other in ("layers", "layers/dockerfile"):
        assert SECRET not in site.get_page(f"/r/sample/shop/app:1.10.0/-/{other}").html


def test_a_viewer_is_told_and_refused(viewer: Site) -> None:
    path = "/r/sample/shop/app:1.10.0/-/config"
    page = viewer.get_page(path)
    assert SECRET not in page.html
    assert "a maintainer may see them" in page.text
    assert SECRET not in viewer.get_page(f"{path}?reveal=1", status=403).html
    for forbidden in ("/registries/new", "/r/sample/-/settings", "/r/sample/-/remove"):
        viewer.get_page(forbidden, status=403)
    assert "Settings" not in viewer.get_page("/r/sample").text


def test_the_configuration_says_what_a_container_starts_with(site: Site) -> None:
    text = site.get_page("/r/sample/shop/app:1.10.0/-/config").text
    for shown in ("serve --port 80", "80/tcp", "/data", "app", "SIGINT", "curl -f localhost", "every 5 s"):
        assert shown in text, shown


def test_layers_stand_beside_their_instructions(site: Site) -> None:
    page = site.get_page("/r/sample/shop/app:1.10.0/-/layers")
    assert "2 layers" in page.text
    assert "RUN make install" in page.text
    assert len(page.all("tr", **{"class": "dim"})) == 1
    dockerfile = site.get_page("/r/sample/shop/app:1.10.0/-/layers/dockerfile")
    assert "ADD" in dockerfile.text


def test_the_manifest_leads_on_and_can_be_taken_home(site: Site) -> None:
    page = site.get_page("/r/sample/shop/multi:2.0/-/manifest")
    digests = [link for link in page.links() if link.startswith("/r/sample/shop/multi@sha256:")]
    assert len(digests) >= 3
    raw = site.get("/r/sample/shop/multi:2.0/-/manifest/raw")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert raw.headers["content-type"] == "application/octet-stream"
    shown = page.find("pre").itertext()
    assert "".join(shown) == raw.text
    child = site.get_page(digests[-1])
    assert "Part of" in child.text


def test_layers_and_config_of_a_manifest_lead_to_their_tabs(site: Site) -> None:
    page = site.get_page("/r/sample/shop/app:1.10.0/-/manifest")
    targets = [link for link in page.links() if "/-/layers#layer-" in link]
    assert len(targets) == 2
    rows = site.get_page("/r/sample/shop/app:1.10.0/-/layers")
    assert rows.find("tr", id=targets[0].partition("#")[2]) is not None


def test_platforms_can_be_chosen_and_stay_chosen(site: Site) -> None:
    page = site.get_page("/r/sample/shop/multi:2.0?platform=linux/arm64")
    assert "shown here" in page.text
    assert any(link.endswith("/-/config?platform=linux%2Farm64") for link in page.links())
    assert "1 build attestation" in page.text
    site.get_page("/r/sample/shop/multi:2.0?platform=plan9/mips", status=422)


def test_pull_commands_name_tag_or_digest(site: Site, registry: RegistryProcess) -> None:
    host = registry.url.removeprefix("http://")
    text = site.get_page("/r/sample/shop/app:1.10.0").text
    assert f"docker pull {host}/shop/app:1.10.0" in text
    assert f"podman pull --tls-verify=false {host}/shop/app:1.10.0" in text
    assert re.search(rf"docker pull {re.escape(host)}/shop/app@sha256:[0-9a-f]{{64}}", _digest_page(site).text)
    chart = site.get_page("/r/sample/charts/web:1.0.0_build.1").text
    assert f"helm install --plain-http web oci://{host}/charts/web --version 1.0.0+build.1" in chart


def _digest_page(site: Site) -> HtmlPage:
    return site.get_page("/r/sample/shop/app:1.10.0?pull=digest")


def test_a_chart_shows_its_metadata(site: Site) -> None:
    page = site.get_page("/r/sample/charts/web:1.0.0_build.1")
    for shown in ("Helm chart", "1.0.0+build.1", "7.2", "Web team", "cache", HOSTILE):
        assert shown in page.text, shown
    assert "https://git.example.com/web" in page.links()


def test_an_unknown_artifact_shows_its_type_and_files(site: Site) -> None:
    text = site.get_page("/r/sample/files/table:1").text
    assert "application/vnd.example.table.v1" in text
    assert "text/csv" in text
    assert HOSTILE in text


def test_an_image_without_a_config_is_shown_decently(site: Site) -> None:
    page = site.get_page("/r/sample/bare:1")
    assert "not known" in page.text
    assert "No variables are set." in site.get_page("/r/sample/bare:1/-/config").text
    assert "instruction not known" in site.get_page("/r/sample/bare:1/-/layers").text


def test_schema_one_is_shown_decently(site: Site) -> None:
    page = site.get_page("/r/sample/legacy:1/-/layers")
    assert "2 layers" in page.text
    assert "of unknown size" in page.text
    assert SECRET in site.get_page("/r/sample/legacy:1/-/manifest").html


def test_the_bytes_of_schema_one_hold_the_environment(viewer: Site) -> None:
    path = "/r/sample/legacy:1/-/manifest"
    assert SECRET not in viewer.get_page(path, status=403).html
    assert SECRET not in viewer.get_page("/r/sample/legacy:1/-/config").html
    viewer.get_page(f"{path}/raw", status=403)


def test_what_is_not_there_is_said_kindly(site: Site) -> None:
    for path in (
        "/r/nowhere",
        "/r/sample/no/such/repository",
        "/r/sample/shop/app:nothing",
        "/r/sample/shop/app:1.10.0/-/nonsense",
        "/r/sample/shop/app/-/nonsense",
        "/r/sample/UPPER",
    ):
        site.get_page(path, status=404)
    site.get_page("/r/sample/shop/app?sort=color", status=422)
    site.get_page("/r/sample/shop/app?cursor=nonsense", status=422)


def test_refresh_is_a_form_that_comes_back(site: Site) -> None:
    for page, action in (
        ("/r/sample", "/r/sample/-/sync"),
        ("/r/sample/shop/app", "/r/sample/shop/app/-/sync"),
        ("/r/sample/shop/app:1.10.0", "/r/sample/shop/app:1.10.0/-/sync"),
    ):
        answer = site.post(site.get_page(page), action)
        assert (answer.status_code, answer.headers["location"]) == (303, page)


def test_pages_listen_to_what_they_show(site: Site) -> None:
    main = site.get_page("/r/sample/shop/app").find("main")
    assert "repository:sample/shop/app" in (main.get("data-live") or "").split()
    assert "registries" in (site.get_page("/").find("main").get("data-live") or "").split()


def test_the_search_groups_its_finds(site: Site) -> None:
    page = site.get_page("/search?q=multi")
    assert "/r/sample/shop/multi" in page.links()
    assert "Images" in page.text
    assert "Nothing found" in site.get_page("/search?q=nothing-like-this").text
