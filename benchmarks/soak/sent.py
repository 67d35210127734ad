"""Marks each request with the time at which the budget let it go, and kills the process at one of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

import aiohttp
import requests

from airflow_provider_maestroqa.client.budget.acquisition import Acquisition
from soak.plan import Doom

#: The header of a request to the API that says when the budget let it go, in Unix seconds.
ALLOWED = "x-soak-allowed"
#: Likewise, the time of the slot that it has booked.
SLOT = "x-soak-slot"
_times: ContextVar[dict[str, str]] = ContextVar("times")
#: A kill during a request comes so many seconds after it was sent.
_DURING_S = 0.004


class Requests:
    """Counts the requests of a try, and ends the process where its doom says so."""

    def __init__(self, doom: Callable[[], Doom | None]) -> None:
        self._doom = doom
        self._lock = threading.Lock()
        self._count = 0

    def restart(self) -> None:
        """Another try begins."""
        self._count = 0

    def send(self, request: Callable[[], Any]) -> Any:
        """Send one."""
        with self._lock:
            self._count += 1
            doom = self._doom()
            is_last = doom is not None and doom.at == self._count
        if is_last and doom.kind == "before":
            die()
        if is_last and doom.kind == "during":
            threading.Timer(_DURING_S, die).start()
        response = request()
        if is_last and doom.kind == "after":
            die()
        return response


def die() -> None:
    """End like a worker whose machine is gone."""
    os.kill(os.getpid(), signal.SIGKILL)


def mark_requests(doom: Callable[[], Doom | None] = lambda: None) -> Requests:
    """Let every request of this process to the API say when it was let go."""
    counted = Requests(doom)
    steps = Acquisition.steps
    send, request = requests.Session.send, aiohttp.ClientSession._request

    def steps_noted(acquisition: Acquisition) -> Generator[Any, Any, float]:
        waited_s = yield from steps(acquisition)
        now, wall = time.monotonic(), time.time()
        _times.set({ALLOWED: repr(wall), SLOT: repr(wall - now + acquisition._slot)})
        return waited_s

    def send_marked(session: Any, prepared: Any, **options: Any) -> Any:
        if "apitoken" in prepared.headers:
            prepared.headers.update(_times.get())
        return counted.send(lambda: send(session, prepared, **options))

    async def request_marked(session: Any, method: str, url: Any, **options: Any) -> Any:
        headers = {**(options.pop("headers", None) or {}), **_times.get()}
        return await request(session, method, url, headers=headers, **options)

    Acquisition.steps = steps_noted
    requests.Session.send, aiohttp.ClientSession._request = send_marked, request_marked
    return counted
