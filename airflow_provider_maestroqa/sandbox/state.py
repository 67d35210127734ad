"""Everything that one sandbox knows; each request handler finds it in its application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import FaultBook
from airflow_provider_maestroqa.sandbox.rate_limiter import Limiter
from airflow_provider_maestroqa.sandbox.request_log import Record
from airflow_provider_maestroqa.sandbox.storage.presign import Signer

if TYPE_CHECKING:
    from airflow_provider_maestroqa.sandbox.data.account import Account
    from airflow_provider_maestroqa.sandbox.data.coaching import Coaching
    from airflow_provider_maestroqa.sandbox.data.exports import Export
    from airflow_provider_maestroqa.sandbox.storage.stored_object import StoredObject


#: Options that say how many there are at the start.
_RECORDS = ("todos", "coaching_points", "coaching_sessions")


@dataclass(frozen=True)
class Settings:
    """How this sandbox behaves; :class:`~airflow_provider_maestroqa.sandbox.server.Sandbox` explains each."""

    seed: int
    rows: int
    polls: int
    seconds: float
    url_ttl: float
    retry_after: bool
    agents: int
    custom_attributes: Mapping[str, str]
    batch_mode: str
    unknown_tickets: str
    largest_body: int
    attachment_id_reuse: str
    todos: int
    coaching_points: int
    coaching_sessions: int
    export_end_day: str

    def __post_init__(self) -> None:
        for name in ("rows", "polls", "seconds", "url_ttl", "agents", "largest_body", *_RECORDS):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}.")


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
    executor: ThreadPoolExecutor
    tokens: dict[str, float | None]
    api_url: str
    storage_url: str
    account: Account
    coaching: Coaching
    stopping: threading.Event = field(default_factory=threading.Event)
    record: Record = field(default_factory=Record)
    faults: FaultBook = field(default_factory=FaultBook)
    signer: Signer = field(default_factory=Signer)
    holds: Holds = field(default_factory=Holds)
    exports: dict[str, Export] = field(default_factory=dict)
    objects: dict[str, StoredObject] = field(default_factory=dict)


STATE: web.AppKey[State] = web.AppKey("state", State)


def state_of(request: web.Request) -> State:
    """The state of the sandbox that a request came to."""
    return request.config_dict[STATE]
