"""What no server should send, and one may all the same: both clients end alike, and within bounds."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import threading
import time
import zlib

import pytest
import requests
from clocks import FakeTime
from raw_server import RawServer, respond

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport import response_reader, retry, spooled_response
from airflow_provider_maestroqa.client.transport.async_client import AsyncClient
from airflow_provider_maestroqa.client.transport.deadline import (
    NotConnectedError,
    connect_in_time,
    response_timeout,
    total_timeout,
)
from airflow_provider_maestroqa.client.transport.response_reader import BLOCK, ContentDecoder, UndecodableError
from airflow_provider_maestroqa.client.transport.session import make_session
from airflow_provider_maestroqa.client.transport.spooled_response import SpooledJsonArray
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient

COMMENT = build_request("create_comment", {"body": "hi", "ticket_id": "t1"})
TICKET = build_request("get_ticket", ticket_id="t1")
SESSIONS = build_request("export_coaching_sessions")
BOMB = gzip.compress(bytes(8 << 20))
DEEP = b"[" * 100_000


def send(kind, server, request, *, timeout_s=None, **options):
    fake = FakeTime()
    if timeout_s is not None:
        options["deadline"] = fake.wall + timeout_s
    extra = {"rate_limits": {"normal": [[100000, 1]], "hard": [[100000, 1]]}, "timeout": 5}
    settings = read_settings("c", host=server.url, password="s3cret-token", extra=extra)
    budget = open_budget(
        store="memory",
        base_url=settings.base_url,
        token=settings.token,
        limits=settings.limits,
        clock=fake.clock(),
    )

    async def send_async():
        async with AsyncClient(settings, budget) as client:
            return await client.send(request, **options)

    try:
        if kind == "async":
            return asyncio.run(send_async())
        client = SyncClient(settings, budget)
        try:
            if kind == "spooled":
                with SpooledJsonArray(request) as response:
                    client.stream(request, response, timeout_s=900 if timeout_s is None else timeout_s)
                    return list(response.records())
            return client.send(request, **options)
        finally:
            client.close()
    finally:
        budget.close()


def endless(_):
    return itertools.chain([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n["], itertools.repeat(bytes(1 << 16)))


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(response_reader, "MAX_RESPONSE_BYTES", 1 << 20)
    monkeypatch.setattr(spooled_response, "MAX_SPOOLED_BYTES", 1 << 20)


TOO_LARGE = {
    "gzip": lambda _: respond(BOMB, Content_Encoding="gzip"),
    "gzip of gzip": lambda _: respond(gzip.compress(BOMB), Content_Encoding="gzip, gzip"),
    "deflate": lambda _: respond(zlib.compress(bytes(8 << 20)), Content_Encoding="deflate"),
    "br": lambda _: respond(b"x", Content_Encoding="br"),
    "no gzip": lambda _: respond(b"{}", Content_Encoding="gzip"),
    "half of a gzip": lambda _: respond(gzip.compress(b"{}")[:-4], Content_Encoding="gzip"),
    "an error": lambda _: respond(BOMB, status="400 Bad Request", Content_Encoding="gzip"),
    "a rate limit": lambda _: respond(BOMB, status="429 Too Many", Content_Encoding="gzip"),
    "plain": lambda _: respond(bytes(2 << 20)),
    "endless": endless,
    "nested": lambda _: respond(DEEP),
    "nested and closed": lambda _: respond(b"[" * 102 + b"]" * 102),
    "a number without end": lambda _: respond(b"9" * 5_000),
}


@pytest.mark.parametrize("case", TOO_LARGE)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_response_past_the_bounds_is_lost(kind, case, small_limits):
    with RawServer(TOO_LARGE[case]) as server:
        with pytest.raises(errors.MaestroQAOutcomeUnknownError, match="may or may not"):
            send(kind, server, COMMENT)
        assert len(server.received) == 1
        with pytest.raises((errors.MaestroQAServerError, errors.MaestroQAConnectionError)) as caught:
            send(kind, server, TICKET, polling=True)
        assert caught.value.retryable
        assert b"accept-encoding: identity" in server.received[0].lower()


@pytest.mark.parametrize("case", [*TOO_LARGE, "a long record"])
def test_a_spooled_response_past_the_bounds_is_lost(case, small_limits, monkeypatch):
    monkeypatch.setattr(spooled_response.JSONArrayParser.__init__, "__defaults__", (1 << 16,))
    answer = TOO_LARGE.get(case, lambda _: respond(b'[{"_id": "' + b"x" * (1 << 18) + b'"}]'))
    said = {"nested and closed": "nested deeper", "a long record": "record of more than", "plain": None}.get(case)
    with RawServer(answer) as server:
        with pytest.raises((errors.MaestroQAServerError, errors.MaestroQAConnectionError), match=said):
            send("spooled", server, SESSIONS)
        assert len(server.received) == 5


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("encode", [gzip.compress, lambda body: gzip.compress(body[:3]) + gzip.compress(body[3:])])
def test_a_server_that_compresses_unasked_is_understood(kind, encode):
    body = b'{"ticket_id": "t1"}'
    with RawServer(lambda _: respond(encode(body), Content_Encoding="GZip")) as server:
        assert send(kind, server, TICKET) == {"ticket_id": "t1"}


def test_a_decoder_holds_no_more_than_a_block():
    decoder = ContentDecoder("gzip")
    assert sum(len(piece) for piece in decoder.feed(BOMB) if len(piece) <= BLOCK) == 8 << 20
    decoder.finish()
    with pytest.raises(UndecodableError):
        ContentDecoder("zstd")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "the status": (b"", b"HTTP/1.1 200 OK"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body without a length": (HEAD + b"Connection: close\r\n\r\n", b" "),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "an error": (b"HTTP/1.1 503 Sorry\r\nContent-Length: 100000\r\n\r\n", b" "),
}


@pytest.mark.parametrize("case", DRIPS)
@pytest.mark.parametrize("kind", ["sync", "async", "spooled"])
def test_a_response_that_drips_ends_at_the_deadline(kind, case, monkeypatch):
    monkeypatch.setattr(retry, "MIN_TRY_S", 0.4)
    head, drop = DRIPS[case]
    with RawServer(lambda _: itertools.chain([head], server.drip(drop))) as server:
        began = time.monotonic()
        with pytest.raises((errors.MaestroQAConnectionError, errors.MaestroQAServerError)) as caught:
            send(kind, server, SESSIONS if kind == "spooled" else TICKET, timeout_s=0)
        assert time.monotonic() - began < 4
        assert caught.value.retryable
        assert len(server.received) == 1


@pytest.mark.parametrize("kind", ["sync", "async", "spooled"])
def test_a_host_whose_name_is_looked_up_for_ever_ends_at_the_deadline(kind, monkeypatch):
    monkeypatch.setattr(retry, "MIN_TRY_S", 0.4)
    is_over, look_up = threading.Event(), socket.getaddrinfo

    def look_up_slowly(host, *arguments, **options):
        if host == "slow.localhost":
            is_over.wait(10)
            raise socket.gaierror
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
    # What waits for the lookup is released when the request has ended, or the event loop would wait for its thread.
    ended = []

    class Server:
        url = "http://slow.localhost:9"

    class Client(AsyncClient):
        async def send(self, *arguments, **options):
            try:
                return await super().send(*arguments, **options)
            finally:
                ended.append(time.monotonic())
                is_over.set()

    monkeypatch.setitem(globals(), "AsyncClient", Client)
    began = time.monotonic()
    with pytest.raises(errors.MaestroQAConnectionError, match="did not accept the connection in time") as caught:
        send(kind, Server, SESSIONS if kind == "spooled" else COMMENT, timeout_s=0)
    ended.append(time.monotonic())
    is_over.set()
    assert ended[0] - began < 4
    assert caught.value.retryable, "nothing was sent"


def test_a_connection_that_comes_too_late_is_closed():
    connected, closed = threading.Event(), threading.Event()
    with total_timeout(0.05), pytest.raises(NotConnectedError):
        connect_in_time(lambda: connected.wait(10), closed.set)
    assert not closed.is_set()
    connected.set()
    assert closed.wait(10)


def test_the_response_of_an_upload_ends_some_time_after_the_upload():
    with RawServer(lambda _: itertools.chain([DRIPS["headers"][0]], server.drip(DRIPS["headers"][1]))) as server:
        session = make_session(read_settings("c", host=server.url, password="s3cret-token"))
        began = time.monotonic()
        with response_timeout(0.4), pytest.raises(requests.RequestException):
            session.put(server.url, data=b"ab", timeout=5)
        assert time.monotonic() - began < 4


def test_a_try_takes_its_share_of_the_deadline():
    now = 1_000.0
    one = retry.Retry(TICKET, deadline=now + 900, now=lambda: now)
    assert one.try_timeout_s(silence_s=60) == retry.MAX_TRY_S
    assert one.try_timeout_s(silence_s=600) == 600
    assert one.try_timeout_s(silence_s=60, is_large=True) == 900
    assert retry.Retry(TICKET, deadline=now + 20, now=lambda: now).try_timeout_s(silence_s=60) == 20
    assert retry.Retry(TICKET, deadline=now, now=lambda: now).try_timeout_s(silence_s=60) == retry.MIN_TRY_S


RECORDS = [{"_id": 10**19 + 7, "half": 0.5, "text": 'a "{[\\', "é": "😀", "pair": "\ud83d"}, {"_id": "b"}, {}]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_spooled_response_is_the_json_that_came_whatever_its_blocks(size):
    """With a byte order mark, whole numbers past 64 bits, half surrogate pairs: as a list takes them."""
    body = (
        b"\xef\xbb\xbf \n["
        rb'{"_id": 10000000000000000007, "half": 5e-1 , "text": "a \"{[\\",'
        + '"é": "😀", '.encode()
        + rb'"pair": "\ud83d"}, {"_id":"b"} ,'
        + b"\n{}\t] "
    )
    with SpooledJsonArray(SESSIONS) as spooled:
        for start in range(0, len(body), size):
            spooled.write(body[start : start + size])
        spooled.finish()
        assert list(spooled.records()) == RECORDS
