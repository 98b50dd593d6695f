"""The files inside the sample images: small, but a scanner recognises them.

A Debian base with its package database, a Python application with its installed
distributions, a Node.js application, and a binary of incompressible bytes so that
layers differ in size as real ones do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Final

from demo.push import make_layer

DEBIAN_PACKAGES: Final = (
    ("base-files", "12.4+deb12u2", "base-files"),
    ("bash", "5.2.15-2+b2", "bash"),
    ("ca-certificates", "20230311", "ca-certificates"),
    ("coreutils", "9.1-1", "coreutils"),
    ("curl", "7.88.1-10+deb12u3", "curl"),
    ("libc6", "2.36-9+deb12u2", "glibc"),
    ("libcurl4", "7.88.1-10+deb12u3", "curl"),
    ("libexpat1", "2.5.0-1", "expat"),
    ("libssl3", "3.0.11-1~deb12u1", "openssl"),
    ("libwebp7", "1.2.4-0.2", "libwebp"),
    ("openssl", "3.0.11-1~deb12u1", "openssl"),
    ("tzdata", "2023c-5+deb12u1", "tzdata"),
    ("zlib1g", "1:1.2.13.dfsg-1", "zlib"),
)
"""Package, version, source package."""
PYTHON_PACKAGES: Final = (
    ("click", "8.1.7", "BSD-3-Clause"),
    ("flask", "3.0.0", "BSD-3-Clause"),
    ("jinja2", "3.1.2", "BSD-3-Clause"),
    ("markupsafe", "2.1.3", "BSD-3-Clause"),
    ("requests", "2.30.0", "Apache-2.0"),
    ("urllib3", "2.0.4", "MIT"),
    ("werkzeug", "3.0.0", "BSD-3-Clause"),
)
"""Distribution, version, licence."""
NODE_PACKAGES: Final = (
    ("express", "4.18.2", "MIT"),
    ("@fastify/static", "6.12.0", "MIT"),
    ("semver", "7.5.1", "ISC"),
    ("ws", "8.13.0", "MIT"),
)


def noise(seed: str, size: int) -> bytes:
    """`size` bytes that do not compress; the same seed gives the same bytes."""
    return random.Random(seed).randbytes(size)


def debian_base(platform: str, size: int = 1_500_000) -> bytes:
    """The layer of a small Debian: release, users, package database, one fat library."""
    return make_layer(
        {
            "etc/os-release": _OS_RELEASE,
            "etc/debian_version": "12.2\n",
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\napp:x:10001:10001::/app:/usr/sbin/nologin\n",
            "usr/lib/libsample.so.1": noise(f"debian {platform}", size),
            "var/lib/dpkg/status": _dpkg_status(platform.split("/")[1]),
        }
    )


_OS_RELEASE: Final = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""


def _dpkg_status(architecture: str) -> str:
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\n"
        f"Installed-Size: {200 + 7 * number}\nMaintainer: Debian\nArchitecture: {architecture}\n"
        f"Source: {source}\nVersion: {version}\nDescription: sample entry of {name}\n"
        for number, (name, version, source) in enumerate(DEBIAN_PACKAGES)
    )


def python_packages(packages: Sequence[tuple[str, str, str]] = PYTHON_PACKAGES) -> bytes:
    """The layer of `pip install`: metadata as pip leaves it."""
    files: dict[str, bytes | str] = {"usr/local/bin/python3.11": noise("python", 400_000)}
    for name, version, licence in packages:
        folder = f"usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info"
        files[f"{folder}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: {licence}\n"
        files[f"{folder}/RECORD"] = f"{name}/__init__.py,,\n"
        files[f"{folder}/INSTALLER"] = "pip\n"
    return make_layer(files)


def node_packages(packages: Sequence[tuple[str, str, str]] = NODE_PACKAGES) -> bytes:
    """The layer of `npm ci`."""
    files: dict[str, bytes | str] = {"usr/local/bin/node": noise("node", 700_000)}
    for name, version, licence in packages:
        package = {"name": name, "version": version, "license": licence}
        files[f"app/node_modules/{name}/package.json"] = json.dumps(package)
    return make_layer(files)


def application(name: str, version: str, size: int) -> bytes:
    """The layer of `COPY . /app`."""
    return make_layer({"app/VERSION": f"{name} {version}\n", "app/bundle.bin": noise(f"{name} {version}", size)})
