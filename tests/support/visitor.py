"""A person at a browser, who notes whatever the browser complains about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, Response

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "test-results"
AXE: Final = ROOT / ".cache/assets/node_modules/axe-core/axe.min.js"
PASSWORD: Final = "a password for journeys"
PICTURE_MILLISECONDS: Final = 60_000
"""A tall page takes long on a busy machine."""
_PATIENCE: Final = 15_000


@dataclass
class Visitor:
    """A person at a browser: goes to addresses, and notes whatever the browser complains about."""

    base: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(_PATIENCE)
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._note)

    def go(self, path: str) -> Response:
        answer = self.page.goto(self.base + path)
        assert answer is not None
        return answer

    def sign_in(self, password: str = PASSWORD) -> None:
        self.go("/sign-in")
        self.page.locator("input[name=name], input[name=username]").first.fill("admin")
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("main form button.btn-primary").first.click()
        self.page.wait_for_load_state()

    def picture(self, name: str) -> None:
        """Kept in test-results/, to be looked at."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png"
        self.page.screenshot(path=path, full_page=True, timeout=PICTURE_MILLISECONDS)

    def overflow(self) -> list[str]:
        """What sticks out sideways, where the page scrolls sideways."""
        found: list[str] = self.page.evaluate(
            """() => {
              const width = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= width) return [];
              return [...document.querySelectorAll("body *")]
                .filter((element) => element.getBoundingClientRect().right > width + 1)
                .slice(0, 8)
                .map((element) => `${element.tagName}.${element.className}`);
            }"""
        )
        return found

    def settle(self) -> None:
        """Until colours are those that stay: on a busy machine the first frame comes late."""
        self.page.evaluate(
            """async () => {
              const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
              await frame();
              const changing = document.getAnimations().filter((one) => one instanceof CSSTransition);
              await Promise.allSettled(changing.map((one) => one.finished));
              await frame();
            }"""
        )

    def axe(self) -> list[str]:
        """Violations of accessibility rules, one a line."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text())
        self.settle()
        found: list[dict[str, Any]] = self.page.evaluate("() => axe.run().then((result) => result.violations)")
        return [
            f"{violation['id']}: {violation['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for violation in found
            for node in violation["nodes"][:3]
        ]

    def _note(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")
