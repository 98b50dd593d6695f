"""What people and machines do to the sample registry, so that it has events to tell: real requests, all of them.

Standard library alone. Done again at every start; the second time the same content is
pushed again, which a registry reports as well.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from demo import images, push
from demo.registry_process import RegistryProcess

PASSWORD: Final = "sample-password"
PEOPLE: Final = ("ci", "alice", "node-1", "node-2")
"""Who acts; the registry knows them beside its administrator."""
ACCOUNTS: Final = dict.fromkeys(PEOPLE, PASSWORD)
CART: Final = "shop/cart"
_MANIFESTS: Final = ", ".join((push.OCI_INDEX, push.OCI_MANIFEST, push.DOCKER_LIST, push.DOCKER_MANIFEST))
_AGENT: Final = "kubedash-samples"
_PLATFORM: Final = "amd64"


class Person:
    """Somebody with a client, as registries see them."""

    def __init__(self, url: str, name: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._auth = (name, PASSWORD)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        self._headers = {
            "User-Agent": _AGENT,
            "Authorization": "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode(),
        }

    def push(self, repository: str, tag: str, sample: push.Sample) -> str:
        """Returns the digest."""
        return push.push(self._url, repository, tag, sample, self._auth)

    def look(self, repository: str, tag: str) -> str:
        """Asks for the digest alone, as clients do before they pull."""
        return self._ask("HEAD", f"/v2/{repository}/manifests/{tag}")[0]["docker-content-digest"]

    def pull(self, repository: str, tag: str) -> None:
        """As a container engine does: the tag's digest, the manifest by digest, of an index one platform's."""
        digest = self.look(repository, tag)
        manifest = self._manifest(repository, digest)
        for child in manifest.get("manifests", ()):
            if child.get("platform", {}).get("architecture") == _PLATFORM:
                manifest = self._manifest(repository, child["digest"])
                break
        for part in (manifest["config"], *manifest["layers"]):
            self._ask("GET", f"/v2/{repository}/blobs/{part['digest']}")

    def retag(self, repository: str, tag: str, new: str) -> None:
        """The same manifest under another tag."""
        headers, content = self._ask("GET", f"/v2/{repository}/manifests/{tag}")
        push.push_manifest(self._url, repository, new, content, headers["content-type"], self._auth)

    def delete(self, repository: str, digest: str) -> None:
        """The manifest and every tag of it."""
        push.delete_manifest(self._url, repository, digest, self._auth)

    def leave(self) -> None:
        self._connection.close()

    def _manifest(self, repository: str, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("GET", f"/v2/{repository}/manifests/{digest}")[1])
        return found

    def _ask(self, method: str, path: str) -> tuple[dict[str, str], bytes]:
        """Headers and content. Raises `RuntimeError` where the registry refuses."""
        self._connection.request(method, path, headers={**self._headers, "Accept": _MANIFESTS})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return {name.lower(): value for name, value in answer.getheaders()}, content


def act(registry: RegistryProcess) -> None:
    """A release of the cart: built, tried, tagged, pulled; a failed build is deleted."""
    people = {name: Person(registry.url, name) for name in PEOPLE}
    ci, alice = people["ci"], people["alice"]
    failed = ci.push(CART, "1.5.0-rc.1", images.checkout_api("1.5.0-rc.1"))
    ci.retag(CART, "1.5.0-rc.1", "edge")
    alice.pull(CART, "edge")
    ci.push(CART, "1.5.0", images.checkout_api("1.5.0"))
    ci.retag(CART, "1.5.0", "edge")
    alice.retag(CART, "1.5.0", "latest")
    alice.delete(CART, failed)
    for node in (people["node-1"], people["node-2"]):
        node.pull(CART, "latest")
        node.pull("shop/storefront", "5.2.0")
        node.look("shop/checkout-api", "latest")
    people["node-2"].pull("shop/checkout-api", "2.8.1")
    for person in people.values():
        person.leave()
