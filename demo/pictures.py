"""`make pictures`: takes the pictures of the README from the demo's content, in Debian's Chromium."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, sync_playwright

from demo import activity
from demo.run import connect, sample_registry
from demo.server import ServerProcess

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "img"
PASSWORD: Final = "only for pictures"
_CHROMIUM: Final = "/usr/bin/chromium"
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_EVENTS_TOKEN: Final = "only for pictures, too"
_SETTINGS: Final = {"DELETE_IMAGES": "true", "KUBEDASH_EVENTS_TOKEN": _EVENTS_TOKEN}
_SIZE: Final = (1280, 800)
_Scheme = Literal["light", "dark"]
PICTURES: Final[dict[str, tuple[str, _Scheme]]] = {
    "overview-light": ("/", "light"),
    "images-light": ("/r/sample", "light"),
    "tags-light": ("/r/sample/platform/ci/runner", "light"),
    "tags-dark": ("/r/sample/platform/ci/runner", "dark"),
    "image-light": ("/r/sample/shop/checkout-api:2.8.1", "light"),
    "layers-dark": ("/r/sample/shop/checkout-api:2.8.1/-/layers", "dark"),
    "index-light": ("/r/sample/shop/storefront:5.2.0", "light"),
    "delete-light": ("/r/sample/shop/checkout-api:2.8.1/-/deletion", "light"),
    "events-light": ("/events", "light"),
    "chart-dark": ("/r/sample/platform/charts/storefront:3.4.0", "dark"),
}


def main(*names: str) -> None:
    """Fills a registry, crawls it, and writes docs/img/*.png: those of these names, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "kubedash", password=PASSWORD, settings=_SETTINGS) as server,
        sample_registry(Path(folder) / "registry", events_to=server.url, events_token=_EVENTS_TOKEN) as registry,
        sync_playwright() as playwright,
    ):
        activity.act(registry)
        connect(server, registry)
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
        for name, (path, scheme) in PICTURES.items():
            if names and name not in names:
                continue
            _take(browser, server, path, scheme, FOLDER / f"{name}.png")
            print(f"docs/img/{name}.png")
        browser.close()


def _take(browser: Browser, server: ServerProcess, path: str, scheme: _Scheme, target: Path) -> None:
    width, height = _SIZE
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(f"{server.url}/sign-in?next={path}")
    page.locator("input[name=name]").fill("admin")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.goto(server.url + path)
    # What follows the first refresh that opening the page asks for.
    page.wait_for_timeout(1500)
    page.screenshot(path=target)
    context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
