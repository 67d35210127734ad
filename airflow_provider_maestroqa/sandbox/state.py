"""Everything that one sandbox knows; each request handler finds it in its application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.data.coaching import Coaching
from airflow_provider_maestroqa.sandbox.data.exports import Exports
from airflow_provider_maestroqa.sandbox.faults import FaultBook
from airflow_provider_maestroqa.sandbox.options import Settings
from airflow_provider_maestroqa.sandbox.rate_limiter import Limiter
from airflow_provider_maestroqa.sandbox.request_log import Record
from airflow_provider_maestroqa.sandbox.storage.presign import Signer


class Holds:
    """Answers that are held back. Only for use on the server's event loop."""

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
        """Let all go on."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


@dataclass
class State:
    """Everything that one sandbox knows."""

    settings: Settings
    clock: Callable[[], float]
    limiter: Limiter
    directory: Path
    tokens: dict[str, float | None]
    api_url: str
    storage_url: str
    account: Account
    coaching: Coaching
    exports: Exports
    record: Record = field(default_factory=Record)
    faults: FaultBook = field(default_factory=FaultBook)
    signer: Signer = field(default_factory=Signer)
    holds: Holds = field(default_factory=Holds)

    def presign(
        self, path: str, *, method: str = "GET", ttl: float | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """A fresh URL for one object on the storage host.

        :param path: the object's path, with a leading slash.
        :param method: the HTTP method that it is signed for.
        :param ttl: seconds until it expires. Default: the sandbox's ``url_ttl``.
        :param headers: what the request must carry, by lower-case name.
        """
        seconds = self.settings.url_ttl if ttl is None else ttl
        return self.signer.presign(
            self.storage_url, path, method=method, now=self.clock(), ttl=seconds, headers=headers
        )


STATE: web.AppKey[State] = web.AppKey("state", State)


def state_of(request: web.Request) -> State:
    """The state of the sandbox that a request came to."""
    return request.config_dict[STATE]
