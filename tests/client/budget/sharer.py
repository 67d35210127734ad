"""Processes that use a budget. Each gets its settings as JSON, says ``ready``, waits for a line, and tells its slots.

They are forked from one process that has imported everything, because importing takes longer than a test may.

Settings: store, limits, and either seconds (how long) or requests (how many); coroutines (0 for a plain loop);
margins, token, polling, wall_offset (a wall clock that is wrong by so many seconds), timeout, hold (seconds
inside a SQLite transaction).
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
import time

import gcsfs  # noqa: F401
import psycopg2  # noqa: F401
import redis
import redis.backoff
import redis.retry  # noqa: F401
from cloud_servers import open_objects

import airflow_provider_maestroqa.client.budget.stores.postgres
import airflow_provider_maestroqa.client.budget.stores.sqlite
import airflow_provider_maestroqa.storage.swap_objects  # noqa: F401
from airflow_provider_maestroqa.client.budget import Clock, open_budget
from airflow_provider_maestroqa.client.errors import MaestroQAError


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve():
    """Fork a sharer for each message on the socket that is standard input; answer with its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(fileno=os.dup(0))
    while True:
        message, (commands, answers), _, _ = socket.recv_fds(calls, 65536, 2)
        child = os.fork()
        if not child:
            calls.close()
            os.dup2(commands, 0)
            os.dup2(answers, 1)
            os.close(commands)
            os.close(answers)
            status = 1
            try:
                use(json.loads(message))
                status = 0
            finally:
                sys.stdout.flush()
                os._exit(status)
        os.close(commands)
        os.close(answers)
        calls.sendall(child.to_bytes(8, "big"))


def use(settings):
    offset = settings.get("wall_offset", 0)
    budget = open_budget(
        store=settings["store"],
        base_url="https://app.maestroqa.com",
        token=settings.get("token", "token"),
        limits=settings.get("limits", {"normal": [[10, 1]]}),
        margins={float(window): margin for window, margin in settings.get("margins", {}).items()},
        store_timeout=settings.get("timeout", 10),
        clock=Clock(wall=lambda: time.time() + offset),
        open_objects=open_objects,
    )
    assert budget.store.name  # opened now, so that importing what it needs takes none of the seconds
    say("ready")
    sys.stdin.readline()
    if settings.get("hold"):
        hold(settings)
        return
    until = time.monotonic() + settings.get("seconds", 3600)
    slots, error = [], None
    try:
        if settings.get("coroutines"):
            asyncio.run(many(budget, settings, until, slots))
        else:
            for _ in range(settings.get("requests", 10**9)):
                if time.monotonic() >= until:
                    break
                budget.acquire("normal", polling=settings.get("polling", False))
                slots.append(time.monotonic())
    except MaestroQAError as failure:
        error = str(failure)
    budget.close()
    say(json.dumps({"slots": slots, "error": error}))


async def many(budget, settings, until, slots):
    async def one():
        while time.monotonic() < until:
            await budget.acquire_async("normal", polling=settings.get("polling", False))
            slots.append(time.monotonic())

    await asyncio.gather(*[one() for _ in range(settings["coroutines"])])


def hold(settings):
    connection = sqlite3.connect(settings["store"], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    say("holding")
    time.sleep(settings["hold"])
    connection.execute("COMMIT")
    connection.close()


if __name__ == "__main__":
    with contextlib.suppress(ValueError):  # the tests are over: the socket gave nothing more
        serve()
