"""Every component in every state, for building pages and for looking at both themes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from litestar import Response, get

from kubedash.errors import Diagnostics
from kubedash.oci.digest import Digest
from kubedash.records import Freshness, Page, Progress, RegistryStatus, SyncState
from kubedash.web.rendering import HtmlRequest, page

_DIGEST = Digest("sha256:" + "4c0fdaa8b634" + "0" * 52)
_LONG = "platform-engineering/continuous-delivery/build-tools/jvm-21/gradle-with-a-very-long-name"


class Sample(msgspec.Struct, frozen=True):
    """One row of the sample tag list."""

    tag: str
    aliases: tuple[str, ...]
    platforms: str
    created: datetime | None
    size: int | None
    digest: str
    worst: str | None
    count: int | None
    subs: tuple[tuple[str, int], ...] = ()


class PullCommand(msgspec.Struct, frozen=True):
    """One tool's way to fetch an image."""

    tool: str
    command: str


class PatternsView(msgspec.Struct, frozen=True, kw_only=True):
    """The samples that the components are shown with."""

    now: datetime
    long_name: str
    digest: str
    freshness: tuple[tuple[Freshness, Progress | None], ...]
    statuses: tuple[str, ...]
    severities: tuple[tuple[str | None, int | None], ...]
    rows: tuple[Sample, ...]
    pages: Page[str]
    pull: tuple[PullCommand, ...]
    problem: Diagnostics
    failed: Freshness
    progress: Progress


@get("/-/patterns", sync_to_thread=False)
def patterns(request: HtmlRequest) -> Response[str]:
    """Not in the navigation: an aid for those who build pages."""
    now = datetime.now(UTC)
    failed = Freshness(
        state=SyncState.FAILED,
        as_of=now - timedelta(hours=3),
        failing_since=now - timedelta(hours=2),
        reason="Connection refused by registry.example.com:443",
    )
    view = PatternsView(
        now=now,
        long_name=_LONG,
        digest=_DIGEST,
        freshness=_freshness(now, failed),
        statuses=tuple(RegistryStatus),
        severities=(
            ("critical", 2),
            ("high", 5),
            ("medium", 1),
            ("low", 12),
            ("unknown", 1),
            ("none", None),
            (None, None),
        ),
        rows=_rows(now),
        pages=Page(items=("sample",) * 100, next="n", previous="p", total=2004, first=101),
        pull=tuple(
            PullCommand(tool, f"{tool} pull registry.example.com/library/nginx:1.25.3")
            for tool in ("docker", "podman", "nerdctl")
        ),
        problem=Diagnostics(
            "registry.example.com does not accept our certificate authority.",
            "GET https://registry.example.com/v2/",
            "TLS: unable to get local issuer certificate",
            "Add the authority's certificate in the registry's settings.",
        ),
        failed=failed,
        progress=Progress(done=120, total=2000, doing="library/nginx"),
    )
    return page(request, "patterns/page.html", view)


def _freshness(now: datetime, failed: Freshness) -> tuple[tuple[Freshness, Progress | None], ...]:
    return (
        (Freshness(state=SyncState.FRESH, as_of=now - timedelta(seconds=12)), None),
        (Freshness(state=SyncState.STALE, as_of=now - timedelta(hours=5)), None),
        (Freshness(state=SyncState.SYNCING, as_of=now), Progress(done=120, total=2000)),
        (Freshness(state=SyncState.SYNCING), None),
        (failed, None),
        (Freshness(state=SyncState.NEVER), None),
    )


def _rows(now: datetime) -> tuple[Sample, ...]:
    both = (("linux/amd64", 186_400_000), ("linux/arm64", 181_000_000))
    created = [now - timedelta(days=days) for days in (2, 21, 130, 250)]
    return (
        Sample(
            "1.25.3",
            ("latest", "1.25", "1"),
            "linux/amd64 · arm64 · arm/v7",
            created[0],
            186_900_000,
            _DIGEST,
            "critical",
            2,
        ),
        Sample("1.25.2", (), "linux/amd64 · arm64", created[1], 186_400_000, _DIGEST, "high", 5, both),
        Sample("1.24.0", ("stable",), "linux/amd64", created[2], 142_300_000, _DIGEST, "none", None),
        Sample(
            "nightly-2026-11-23-with-a-name-that-is-far-too-long-to-be-wise",
            (),
            "linux/amd64",
            created[3],
            None,
            _DIGEST,
            None,
            None,
        ),
        Sample("sha-\u202etxt.exe", (), "unknown", None, None, _DIGEST, None, None),
    )
