"""Everything that one sandbox knows; each request handler gets it from its application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.data.coaching import Coaching
from airflow_provider_maestroqa.sandbox.data.exports import Exports
from airflow_provider_maestroqa.sandbox.faults import FaultRegistry
from airflow_provider_maestroqa.sandbox.options import SandboxOptions
from airflow_provider_maestroqa.sandbox.rate_limiter import Limiter
from airflow_provider_maestroqa.sandbox.request_log import RequestLog
from airflow_provider_maestroqa.sandbox.storage.presign import Signer


class PausedRequests:
    """Requests whose responses are held back. Only for use on the server's event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Return when released."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def release(self) -> None:
        """Resume all of them."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


@dataclass
class State:
    """Everything that one sandbox knows."""

    options: SandboxOptions
    limiter: Limiter
    directory: Path
    tokens: dict[str, float | None]  # when each expires, in Unix seconds; None for never
    api_url: str
    storage_url: str
    account: Account
    coaching: Coaching
    exports: Exports
    log: RequestLog = field(default_factory=RequestLog)
    faults: FaultRegistry = field(default_factory=FaultRegistry)
    signer: Signer = field(default_factory=Signer)
    paused: PausedRequests = field(default_factory=PausedRequests)
    #: How many records have gone from the start of each list.
    list_offsets: dict[str, int] = field(default_factory=dict)

    def clock(self) -> float:
        """The time, in Unix seconds."""
        return self.options.clock()

    def reset(self) -> None:
        """Clear exports, records, requests, faults and what counts towards the limits; resume paused requests."""
        self.faults.clear()
        self.paused.release()
        self.limiter.clear()
        self.account.reset()
        self.coaching.reset()
        self.list_offsets.clear()
        self.exports.clear()
        self.log.clear()

    def presign(
        self, path: str, *, method: str = "GET", ttl: float | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """A fresh URL for one object on the storage host."""
        seconds = self.options.url_ttl if ttl is None else ttl
        return self.signer.presign(
            self.storage_url, path, method=method, now=self.clock(), ttl=seconds, headers=headers
        )


STATE: web.AppKey[State] = web.AppKey("state", State)


def state_of(request: web.Request) -> State:
    """The state of the sandbox that a request came to."""
    return request.config_dict[STATE]
