"""Whatever JSON a server sends, a call ends in records or in an error of this package. A seed repeats it."""

from __future__ import annotations

import asyncio
import json
import os
import random

import pytest
from clocks import FakeTime
from raw_server import RawServer, respond

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

SEED = int(os.environ.get("MAESTROQA_SEED", "1"))
ROUNDS = int(os.environ.get("MAESTROQA_ROUNDS", "20"))
READS = {
    "request_groups_export": lambda hook: hook.request_groups_export(),
    "get_export": lambda hook: hook.get_export("e1").status,
    "aget_export": lambda hook: asyncio.run(hook.aget_export("e1")).status,
    "get_ticket": lambda hook: hook.get_ticket("T-1"),
    "get_tickets": lambda hook: hook.get_tickets(["T-1", "T,2"]),
    "get_todo": lambda hook: hook.get_todo("a"),
    "list_todos": lambda hook: list(hook.list_todos()),
    "list_coaching_points": lambda hook: list(hook.list_coaching_points()),
    "get_coaching_session": lambda hook: hook.get_coaching_session("a"),
    "list_coaching_sessions": lambda hook: list(hook.list_coaching_sessions()),
    "get_agent_group": lambda hook: hook.get_agent_group("a"),
    "update_agent_group": lambda hook: hook.update_agent_group("a", add=["a@x.com"], remove=["b@x.com"]),
    "list_users": lambda hook: list(hook.list_users(user_name="a")),
    "export_coaching_sessions": lambda hook: list(hook.export_coaching_sessions("2026-01-01", "2026-02-01")),
    "create_attachment": lambda hook: hook.create_attachment("T-1", "audio/mpeg", url="https://h/x"),
    "test_connection": lambda hook: list(hook.test_connection()),
}
KEYS = (
    *("Resources", "totalResults", "startIndex", "itemsPerPage", "exportId", "status", "dataUrl", "ticket_id"),
    *(
        "id",
        "_id",
        "createdAt",
        "error",
        "message",
        "errors",
        "results",
        "title",
        "detail",
        "path",
        "field",
        "presigned_url",
        "displayName",
        "members",
    ),
)
TEXTS = (
    *("", "complete", "errored", "a", "T-1", "../../x", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"),
    *("9" * 5_000, "\ud800", "\x00\n\x1b[31m", "é" * 300, "http://[broken", "https://h/x?X-Amz-Signature=1", "None"),
)
NUMBERS = (0, 1, -1, 2, 10**9, 10**30, 1.5, -0.0, 1e300, 10**4000)

STATUSES = (*["200 OK"] * 6, "400 Bad", "404 None", "429 Wait", "500 Broken", "302 Away", "207 Many")
RETRY_AFTER = ("1", "99999999999", "nan", "-1", "Fri, 01 Jan 99999999999 00:00:00 GMT")


def value(rng, depth=0):
    kind = rng.random()
    if depth > 3 or kind < 0.3:
        return rng.choice([rng.choice(TEXTS), rng.choice(NUMBERS), None, True, False, [], {}])
    if kind < 0.5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): value(rng, depth + 1) for _ in range(rng.randrange(5))}


def page(rng):
    records = [value(rng, 2) for _ in range(rng.randrange(4))]
    return {"Resources": records, "totalResults": rng.choice([*NUMBERS, *TEXTS, None])}


def body(rng):
    made = rng.choice([value, page, lambda rng: [value(rng, 1) for _ in range(3)]])(rng)
    text = json.dumps(made).encode()
    damage = rng.random()
    if damage < 0.05:
        return text[: rng.randrange(len(text))]
    if damage < 0.1:
        return rng.choice([b"", b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000, b"NaN", b"\xff\xfe", b"[1e999]"])
    return text


@pytest.mark.parametrize("read", READS)
def test_a_read_ends_in_records_or_in_an_error_of_this_package(connect, monkeypatch, caplog, read):
    rng = random.Random(f"{SEED} {read}")
    monkeypatch.setattr(_compat, "mask_secret", lambda secret: None)
    monkeypatch.setattr(MaestroQAHook, "clock", FakeTime().clock())
    answers = []

    def answer(request):
        # A list may go on as long as its server likes.
        return answers.pop() if answers else respond(b'{"Resources": [], "totalResults": 0}')

    with RawServer(answer) as server:
        connect(
            host=server.url, rate_limit_store="memory", rate_limits={"normal": [[10**6, 1]], "hard": [[10**6, 1]]}
        )
        for number in range(ROUNDS):
            answers[:] = [
                respond(body(rng), status=rng.choice(STATUSES), Retry_After=rng.choice(RETRY_AFTER)) for _ in range(8)
            ]
            with MaestroQAHook() as hook:
                said = outcome(hook, READS[read])
            assert said.isprintable(), (SEED, number, said)
            assert len(said) < 2_000, (SEED, number, said)
    for line in caplog.messages:
        assert line.isprintable(), (SEED, line)
        assert len(line) < 2_000, (SEED, line)


def outcome(hook, read):
    """The words of the error of this package, or nothing."""
    try:
        json.dumps(read(hook))
    except MaestroQAError as error:
        return str(error)
    return ""
