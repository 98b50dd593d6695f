"""Retries, concurrency, links and complaints: the pure decisions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import RegistryError
from kubedash.records import RegistryStatus
from kubedash.registry.complaints import MAX_TEXT, read_complaint
from kubedash.registry.errors import (
    Absent,
    Denied,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    Unreachable,
    Unsupported,
    WrongProtocol,
    from_answer,
    status_of,
)
from kubedash.registry.limiter import Limiter
from kubedash.registry.paging import next_link
from kubedash.registry.products import guess_product, read_date
from kubedash.registry.retries import IMPATIENT, Patience, parse_retry_after, retry_delay
from tests.support.aio import run


@pytest.mark.parametrize(
    ("error", "tried", "elapsed", "delay"),
    [
        (ServerFault("x"), 1, 0, 1.0),
        (Unreachable("x"), 2, 0, 3.0),
        (ServerFault("x"), 3, 0, None),
        (ServerFault("x"), 2, 58, None),
        (Denied("x"), 1, 0, None),
        (RateLimited("x", retry_after=7), 1, 0, 7.125),
        (RateLimited("x", retry_after=61), 1, 0, None),
        (RateLimited("x"), 1, 0, 1.0),
    ],
)
def test_when_to_ask_again(error: RegistryError, tried: int, elapsed: float, delay: float | None) -> None:
    assert retry_delay(error, tried, elapsed, Patience(), noise=lambda: 0.5) == delay
    assert retry_delay(error, tried, elapsed, IMPATIENT) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def steady(limiter: Limiter, latency: float, answers: int, at: float = 0.0) -> float:
    for _ in range(answers):
        limiter.answered(at, at + latency)
        at += latency
    return at


class TestLimiter:
    def test_grows_to_the_cap_while_answers_are_fast(self) -> None:
        limiter = Limiter(32)
        assert limiter.limit == 4
        steady(limiter, 0.01, 100)
        assert limiter.limit == 32

    def test_halves_once_a_round_and_never_below_one(self) -> None:
        limiter = Limiter(32)
        at = steady(limiter, 0.01, 100)
        limiter.troubled(at, at + 1)
        limiter.troubled(at, at + 1)
        assert limiter.limit == 16, "both began before the first change"
        for _ in range(20):
            at += 10
            limiter.troubled(at, at + 1)
        assert limiter.limit == 1

    def test_grows_by_one_a_round_after_trouble(self) -> None:
        limiter = Limiter(32)
        at = steady(limiter, 0.01, 100)
        limiter.troubled(at, at + 1)
        steady(limiter, 0.01, 18, at + 2)
        assert limiter.limit == 17

    def test_shrinks_when_answers_get_slow(self) -> None:
        limiter = Limiter(32)
        at = steady(limiter, 0.06, 40)
        steady(limiter, 1.0, 60, at)
        assert limiter.limit < 8

    def test_a_registry_far_away_is_not_a_slow_one(self) -> None:
        limiter = Limiter(32)
        steady(limiter, 0.5, 100)
        assert limiter.limit == 32

    def test_never_more_at_once_than_the_limit(self) -> None:
        async def check() -> None:
            limiter, most = Limiter(3), 0

            async def work() -> None:
                nonlocal most
                await limiter.acquire()
                most = max(most, limiter.running)
                await asyncio.sleep(0)
                limiter.release()

            await asyncio.gather(*(work() for _ in range(50)))
            assert (most, limiter.running) == (3, 0)

        run(check())

    def test_a_waiter_that_gives_up_loses_no_place(self) -> None:
        async def check() -> None:
            limiter = Limiter(1)
            await limiter.acquire()
            waiting = asyncio.create_task(limiter.acquire())
            await asyncio.sleep(0)
            limiter.release()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.wait_for(limiter.acquire(), 5)
            assert limiter.running == 1

        run(check())


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        (['</v2/_catalog?last=b&n=2>; rel="next"'], "/v2/_catalog?last=b&n=2"),
        (["<a>; rel=prev, <b>; REL=next"], "b"),
        (["<a>; rel=prev", '<b>;title="x, y; rel=next";rel="last next"'], "b"),
        (["<a,b>; rel=next"], "a,b"),
        (["<a>; rel=nextish"], None),
        (["a; rel=next"], None),
        ([], None),
    ],
)
def test_links(headers: list[str], target: str | None) -> None:
    assert next_link(headers) == target


def test_links_that_never_close_are_read_once() -> None:
    assert next_link(["<" * 8190] * 128) is None


@given(st.text(max_size=300))
def test_any_link_is_survived(header: str) -> None:
    next_link([header])


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            404,
            b'{"errors":[{"code":"NAME_UNKNOWN","message":"unknown","detail":{"a":1}}]}',
            "404 NAME_UNKNOWN: unknown",
        ),
        (401, b'{"code":"unauthorized","message":"no"}', "401 UNAUTHORIZED: no"),
        (400, b'{"error":"invalid_grant","error_description":"bad"}', "400 INVALID_GRANT: bad"),
        (400, b'{"errors":[]}', "400 Bad Request"),
        (400, b'{"errors":[{"code":5,"message":null}]}', "400 Bad Request"),
        (500, b"[1]", "500 Internal Server Error"),
        (502, b"<html><head><title>502\n Bad</title>", "502 Bad Gateway: an HTML page: 502 Bad"),
        (404, b"404 page not found\n", "404 Not Found: 404 page not found"),
        (418, b"a\x00b\x1b[31mc\xe2\x80\xaed", "418 I'm a Teapot: a b [31mc d"),
        (599, b"", "599"),
    ],
)
def test_complaints(status: int, body: bytes, sentence: str) -> None:
    assert read_complaint(status, body).sentence.replace("I'm a teapot", "I'm a Teapot") == sentence


@given(st.integers(100, 599), st.binary(max_size=400))
def test_any_complaint_is_read_and_short(status: int, body: bytes) -> None:
    complaint = read_complaint(status, body)
    assert len(complaint.message or "") <= MAX_TEXT
    assert from_answer("GET x", complaint).diagnostics().answered


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"", Denied),
        (404, b"", Absent),
        (404, b"OCI index found, but accept header does not support OCI indexes", Unsupported),
        (405, b"", Unsupported),
        (408, b"", TimedOut),
        (416, b"", Refused),
        (429, b"", RateLimited),
        (499, b"", ServerFault),
        (522, b"", ServerFault),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", WrongProtocol),
    ],
)
def test_errors_by_status(status: int, body: bytes, kind: type[RegistryError]) -> None:
    error = from_answer("GET x", read_complaint(status, body))
    assert type(error) is kind


def test_what_an_error_says_of_the_registry() -> None:
    assert status_of(TimedOut("x")) is RegistryStatus.UNREACHABLE
    assert status_of(RateLimited("x")) is RegistryStatus.RATE_LIMITED
    assert status_of(Absent("x")) is RegistryStatus.ERROR


@pytest.mark.parametrize(
    ("host", "headers", "service", "product"),
    [
        ("registry-1.docker.io", {}, None, "Docker Hub"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", {}, None, "Amazon ECR"),
        ("r.example", {"Gitlab-Container-Registry-Version": "4"}, None, "GitLab"),
        ("r.example", {}, "harbor-registry", "Harbor"),
        ("r.example", {}, None, None),
        ("evilghcr.io.example", {}, None, None),
    ],
)
def test_products(host: str, headers: dict[str, str], service: str | None, product: str | None) -> None:
    assert guess_product(host, headers, service) == product


def test_dates() -> None:
    assert read_date("Mon, 23 Nov 2026 10:00:00 GMT") == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert read_date(None) is read_date("yesterday") is read_date("") is None
