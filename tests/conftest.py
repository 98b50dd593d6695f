"""What all tests have in common."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.support.registries import (  # noqa: F401 - fixtures are found by name
    authority,
    htpasswd_registry,
    mutual_tls_registry,
    open_registry,
    tls_registry,
    token_registry,
)

# Machines differ in speed: a slow example is no failure, and CI looks at more of them.
settings.register_profile("house", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("house"), max_examples=100)
settings.load_profile("ci" if os.environ.get("CI") else "house")

# Nothing of the person's own configuration may leak into a test.
for name in [name for name in os.environ if name.startswith("KUBEDASH_") or name == "DELETE_IMAGES"]:
    del os.environ[name]
