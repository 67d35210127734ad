"""Runs a sandbox in a thread of this process."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from airflow_provider_maestroqa.sandbox import control
from airflow_provider_maestroqa.sandbox.api.tickets import ATTRIBUTE_TYPES, CUSTOM_ATTRIBUTES
from airflow_provider_maestroqa.sandbox.coaching_inspection import CoachingRecords
from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.data.coaching import Coaching
from airflow_provider_maestroqa.sandbox.data.coaching_rows import Rows
from airflow_provider_maestroqa.sandbox.data.exports import Export, Exports
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.inspection import Records
from airflow_provider_maestroqa.sandbox.options import Settings
from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS, Limiter, Limits
from airflow_provider_maestroqa.sandbox.request_log import Seen
from airflow_provider_maestroqa.sandbox.serving import serve
from airflow_provider_maestroqa.sandbox.sockets import api_sockets, storage_sockets
from airflow_provider_maestroqa.sandbox.state import State

_T = TypeVar("_T")


class Sandbox(Records, CoachingRecords):
    """A MaestroQA for tests and for the desk, on this machine only.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`::

        with Sandbox(limits={}) as sandbox:
            requests.post(sandbox.url + "/api/v1/request-groups-export", json={}, headers={"apitoken": sandbox.token})

    :param token: the API token that is let in.
    :param port: of the API host; 0 takes a free one.
    :param storage_port: of the storage host; 0 takes a free one.
    :param seed: decides the content of export files.
    :param rows: graded tickets (or memberships, or events) in each export.
    :param polls: how many polls answer "not yet" before an export is complete.
    :param seconds: how long an export takes at least, in seconds by the clock.
    :param limits: requests and seconds for each bucket; by default the real ones. ``{}`` or ``None``: no limits.
    :param window_kind: ``sliding`` or ``fixed``.
    :param count_refused: whether requests refused with 429 count towards the limits.
    :param retry_after: whether a 429 carries Retry-After.
    :param url_ttl: seconds until a presigned URL expires.
    :param clock: gives Unix seconds; for limits, expiry and the age of exports.
    :param agents: how many agents the account has at the beginning: ``agent-1`` with the email
        ``agent-1@example.com``, and so on.
    :param custom_attributes: the custom attributes of tickets, each with its type: ``string``, ``number`` or
        ``boolean``; by default some that the API document names. Others are ignored.
    :param batch_mode: ``atomic``: one bad record, and the batch is refused as a whole. ``partial``: the good ones are
        stored and confirmed, the bad ones are missing without a word.
    :param unknown_tickets: ``refuse`` or ``accept`` comments, attachments and metrics of tickets that do not exist.
    :param largest_body: bytes of a request to the API; a larger one is answered with 413.
    :param attachment_id_reuse: what a second attachment with an ``id`` gets: ``again`` a presigned URL, or a 409
        ``conflict``.
    :param todos: how many to-dos there are, made over the year 2026; up to millions.
    :param coaching_points: how many coaching points, likewise.
    :param coaching_sessions: how many coaching sessions, likewise.
    :param export_end_day: ``included`` or ``excluded``: the end day of an export of coaching sessions.
    :raises ValueError: an option has a value that there is not.
    """

    def __init__(
        self,
        *,
        token: str = "sandbox-token",  # noqa: S107
        port: int = 0,
        storage_port: int = 0,
        seed: int = 1,
        rows: int = 200,
        polls: int = 2,
        seconds: float = 0.0,
        limits: Limits | None = REAL_LIMITS,
        window_kind: str = "sliding",
        count_refused: bool = False,
        retry_after: bool = False,
        url_ttl: float = 600.0,
        clock: Callable[[], float] = time.time,
        agents: int = 20,
        custom_attributes: Mapping[str, str] | None = None,
        batch_mode: str = "atomic",
        unknown_tickets: str = "refuse",
        largest_body: int = 64 << 20,
        attachment_id_reuse: str = "again",
        todos: int = 500,
        coaching_points: int = 500,
        coaching_sessions: int = 250,
        export_end_day: str = "included",
    ) -> None:
        attributes = dict(CUSTOM_ATTRIBUTES if custom_attributes is None else custom_attributes)
        for name, kind in attributes.items():
            _check_word(f"custom_attributes[{name!r}]", kind, *ATTRIBUTE_TYPES)
        _check_word("batch_mode", batch_mode, "atomic", "partial")
        _check_word("unknown_tickets", unknown_tickets, "refuse", "accept")
        _check_word("attachment_id_reuse", attachment_id_reuse, "again", "conflict")
        _check_word("export_end_day", export_end_day, "included", "excluded")
        self.token = token
        self._ports = (port, storage_port)
        self._settings = Settings(
            seed=seed,
            rows=rows,
            polls=polls,
            seconds=seconds,
            url_ttl=url_ttl,
            retry_after=retry_after,
            agents=agents,
            custom_attributes=attributes,
            batch_mode=batch_mode,
            unknown_tickets=unknown_tickets,
            largest_body=largest_body,
            attachment_id_reuse=attachment_id_reuse,
            todos=todos,
            coaching_points=coaching_points,
            coaching_sessions=coaching_sessions,
            export_end_day=export_end_day,
        )
        self._limiter = Limiter(limits or {}, window_kind=window_kind, count_refused=count_refused, clock=clock)
        self._clock = clock
        self._started: State | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Sandbox:
        """Serve until :meth:`stop`.

        :raises OSError: a port is taken.
        """
        if self._started is not None:
            raise RuntimeError("A sandbox can be started once; make another one.")
        api = api_sockets(self._ports[0])
        try:
            storage = storage_sockets(self._ports[1])
        except OSError:
            _close(api)
            raise
        directory = Path(tempfile.mkdtemp(prefix="maestroqa-sandbox-"))
        executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="maestroqa-sandbox-files")
        state = State(
            settings=self._settings,
            clock=self._clock,
            limiter=self._limiter,
            directory=directory,
            tokens={self.token: None},
            api_url=f"http://127.0.0.1:{api[0].getsockname()[1]}",
            storage_url=f"http://localhost:{storage[0].getsockname()[1]}",
            account=Account(
                agent_count=self._settings.agents,
                any_ticket=self._settings.unknown_tickets == "accept",
                seed=self._settings.seed,
                clock=self._clock,
            ),
            coaching=self._new_coaching(),
            exports=Exports(self._settings, self._clock, directory, executor),
        )
        self._loop = asyncio.new_event_loop()
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=serve, args=(self._loop, state, api, storage, ready), name="maestroqa-sandbox", daemon=True
        )
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self._thread.join()
            self._clean_up(state)
            raise
        self._started = state
        # For who forgets to stop it: the files go when the process ends.
        weakref.finalize(self, shutil.rmtree, state.directory, ignore_errors=True)
        return self

    def stop(self) -> None:
        """Close all connections and delete the files. What was recorded stays readable."""
        if self._thread is None or self._loop is None:
            return
        # First the files: what the threads that make them have to say, they say to the event loop.
        self._state.exports.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._clean_up(self._state)

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return self._state.api_url

    @property
    def storage_url(self) -> str:
        """Base URL of the storage: another host name and another port."""
        return self._state.storage_url

    @property
    def requests(self) -> list[Seen]:
        """All requests so far, to both hosts, in the order of arrival."""
        return self._state.record.all()

    @property
    def exports(self) -> dict[str, Export]:
        """The exports by id."""
        return dict(self._state.exports.by_id)

    @property
    def secrets(self) -> list[str]:
        """What no log may hold: the tokens that are let in, and the signature of each URL given out."""
        return [*self._state.tokens, *self._state.signer.signatures]

    def count(self, method: str, path: str) -> int:
        """How many requests came with this method and path.

        :param method: such as ``POST``.
        :param path: the path without its query, such as ``/api/v1/tickets``.
        """
        return self._state.record.count(method, path)

    def fault(self, fault: Fault | str | None = None, **parameters: Any) -> Fault:
        """Make something go wrong.

        :param fault: a fault, or its kind.
        :param parameters: those of :class:`Fault`, unless a fault is given.
        """
        if isinstance(fault, str):
            parameters["kind"] = fault
        made = fault if isinstance(fault, Fault) else Fault(**parameters)
        self._state.faults.add(made)
        return made

    def clear_faults(self) -> None:
        """Nothing more goes wrong. Answers that are held back stay so, until :meth:`release`."""
        self._state.faults.clear()

    def release(self) -> None:
        """Let the answers go on that a ``timeout`` or ``stall_at_byte`` fault holds back."""
        self._do(lambda: self._state.holds.release())

    def reset(self) -> None:
        """Go back to the start: no exports, records, requests or faults, and the first token alone is let in."""
        self._do(self._reset)

    def set_limits(self, limits: Limits | None) -> None:
        """Change the rate limits from now on.

        :param limits: as for the sandbox itself; ``{}`` or ``None``: no limits.
        """
        self._limiter.limits = limits or {}

    def add_token(self, token: str, expires_at: float | None = None) -> None:
        """Let in another token.

        :param token: the token.
        :param expires_at: Unix seconds, ``None`` for never.
        """
        self._state.tokens[token] = expires_at

    def revoke_token(self, token: str) -> None:
        """Let a token in no more.

        :param token: the token.
        """
        self._state.tokens.pop(token, None)

    def wait_for(self, predicate: Callable[[], _T], timeout: float = 60.0) -> _T:
        """Wait until something has happened; the predicate is asked again after each event of a request.

        :param predicate: asked in this thread; it may look at this sandbox.
        :param timeout: seconds, after which ``TimeoutError`` is raised.
        :return: what the predicate returned.
        """
        return self._state.record.wait_for(predicate, timeout)

    def presign(self, path: str, *, ttl: float | None = None) -> str:
        """A fresh presigned URL for any path on the storage host, whether there is an object or not.

        :param path: the path.
        :param ttl: seconds until it expires. Default: the sandbox's ``url_ttl``.
        """
        return self._state.presign(path, ttl=ttl)

    def connection(self, **extra: Any) -> Mapping[str, Any]:
        """The Airflow connection to this sandbox.

        :param extra: more keys for the connection's ``extra``; ``None`` leaves a key out.
        """
        keys = {name: value for name, value in {"rate_limit_store": "memory", **extra}.items() if value is not None}
        return {"conn_type": "maestroqa", "host": self.url, "password": self.token, "extra": keys}

    def connection_json(self, **extra: Any) -> str:
        """The same as JSON, for an ``AIRFLOW_CONN_…`` variable.

        :param extra: as for :meth:`connection`.
        """
        return json.dumps(self.connection(**extra))

    @property
    def _state(self) -> State:
        if self._started is None:
            raise RuntimeError("This sandbox has not been started.")
        return self._started

    @property
    def _account(self) -> Account:
        return self._state.account

    @property
    def _coaching(self) -> Coaching:
        return self._state.coaching

    def _new_coaching(self) -> Coaching:
        asked = self._settings
        rows = Rows(asked.seed, asked.todos, asked.coaching_points, asked.coaching_sessions)
        return Coaching(rows, asked.export_end_day, self._clock)

    def _do(self, work: Callable[[], Any]) -> None:
        """Do something on the server's event loop, where alone the state may be changed."""

        async def done() -> None:
            work()

        if self._loop is None:
            raise RuntimeError("This sandbox does not run.")
        asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)

    def _clean_up(self, state: State) -> None:
        state.exports.close()
        shutil.rmtree(state.directory, ignore_errors=True)
        self._thread = self._loop = None

    def _reset(self) -> None:
        control.reset(self._state)
        self._state.tokens.clear()
        self._state.tokens[self.token] = None


def _check_word(option: str, value: str, *words: str) -> None:
    if value not in words:
        raise ValueError(f"{option} is one of {', '.join(words)}, not {value!r}.")


def _close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
