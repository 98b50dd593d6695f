"""What machines ask: alive, ready, figures."""

from __future__ import annotations

from litestar import Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kubedash.records import RegistryStatus
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.guards import OPEN
from kubedash.web.metrics import REGISTRIES
from kubedash.workflows import health


@get("/healthz", opt=OPEN, media_type="text/plain", sync_to_thread=False)
def alive() -> str:
    """The process answers; nothing else is looked at, so that a slow store restarts nobody."""
    return "ok\n"


@get("/readyz", opt=OPEN, media_type="text/plain")
async def ready(state: State) -> str:
    """The store answers: send people here. 503 while it does not."""
    await health.check_ready(state.services)
    return "ready\n"


@get("/metrics")
async def figures(services: GivenServices, actor: GivenActor) -> Response[bytes]:
    """For Prometheus, with the API token of a viewer: numbers tell a stranger too much."""
    counts = await health.count_registries(services, actor)
    for status in RegistryStatus:
        REGISTRIES.labels(status).set(counts.get(status, 0))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
