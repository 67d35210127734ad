"""Runs a sandbox in a thread of this process."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.data.coaching import Coaching
from airflow_provider_maestroqa.sandbox.data.exports import Export, Exports
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.inspection import Records
from airflow_provider_maestroqa.sandbox.options import SandboxOptions, documented, takes_options
from airflow_provider_maestroqa.sandbox.rate_limiter import Limiter, Limits
from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest
from airflow_provider_maestroqa.sandbox.serving import listen, serve, storage_sockets
from airflow_provider_maestroqa.sandbox.state import State

_T = TypeVar("_T")


class Sandbox(Records):
    """A MaestroQA for tests and for the desk, on this machine only unless ``bind`` says otherwise.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`::

        with Sandbox(limits={}) as sandbox:
            requests.post(sandbox.url + "/api/v1/request-groups-export", json={}, headers={"apitoken": sandbox.token})
    """

    @takes_options(SandboxOptions)
    def __init__(self, options: SandboxOptions) -> None:
        self.token = options.token
        self._options = options
        self._limiter = Limiter(
            options.limits or {},
            window_kind=options.window_kind,
            count_refused=options.count_refused,
            clock=options.clock,
        )
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
        options = self._options
        api = [listen(options.bind, options.port)]
        try:
            storage = storage_sockets(options.bind, options.storage_port)
        except OSError:
            for sock in api:
                sock.close()
            raise
        directory = Path(tempfile.mkdtemp(prefix="maestroqa-sandbox-"))
        state = State(
            options=options,
            limiter=self._limiter,
            directory=directory,
            tokens={self.token: None},
            api_url=options.url_of("127.0.0.1", api[0].getsockname()[1]),
            storage_url=options.url_of("localhost", storage[0].getsockname()[1]),
            account=Account(options),
            coaching=Coaching(options),
            exports=Exports(options, directory),
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
        # For a sandbox that is never stopped: the files go when the process ends.
        weakref.finalize(self, shutil.rmtree, state.directory, ignore_errors=True)
        return self

    def stop(self) -> None:
        """Close all connections and delete the files. What was logged stays readable."""
        if self._thread is None or self._loop is None:
            return
        # First the files: the threads that make them report to the event loop.
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
    def requests(self) -> list[LoggedRequest]:
        """All requests so far, to both hosts, in the order of arrival."""
        return self._state.log.all()

    @property
    def exports(self) -> dict[str, Export]:
        """The exports by id."""
        return dict(self._state.exports.by_id)

    @property
    def secrets(self) -> list[str]:
        """What no log may hold: the tokens that are accepted, and the signature of each presigned URL."""
        return [*self._state.tokens, *self._state.signer.signatures]

    def count(self, method: str, path: str) -> int:
        """How many requests came with this method and path.

        :param method: such as ``POST``.
        :param path: the path without its query, such as ``/api/v1/tickets``.
        """
        return self._state.log.count(method, path)

    def fault(self, fault: Fault | str | None = None, **parameters: Any) -> Fault:
        """Set a fault: make something go wrong.

        :param fault: a fault, or its kind.
        :param parameters: those of :class:`Fault`, unless a fault is given.
        """
        if isinstance(fault, str):
            parameters["kind"] = fault
        if not isinstance(fault, Fault):
            fault = Fault(**parameters)
        self._state.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove all faults. Responses that are held stay held until :meth:`release`."""
        self._state.faults.clear()

    def release(self) -> None:
        """Resume the responses that a ``timeout`` or ``stall_at_byte`` fault holds."""
        self._run_in_loop(lambda: self._state.paused.release())

    def reset(self) -> None:
        """Go back to the start: no exports, records, requests or faults, and only the first token is accepted."""
        self._run_in_loop(self._reset)

    def set_limits(self, limits: Limits | None) -> None:
        """Change the rate limits from now on.

        :param limits: as for the sandbox itself; ``{}`` or ``None``: no limits.
        """
        self._limiter.limits = limits or {}

    def add_token(self, token: str, expires_at: float | None = None) -> None:
        """Accept another token.

        :param token: the token.
        :param expires_at: Unix seconds, ``None`` for never.
        """
        self._state.tokens[token] = expires_at

    def revoke_token(self, token: str) -> None:
        """Stop accepting a token.

        :param token: the token.
        """
        self._state.tokens.pop(token, None)

    def wait_for(self, predicate: Callable[[], _T], timeout: float = 60.0) -> _T:
        """Wait until something has happened; the predicate is called again after each event of a request.

        :param predicate: called in this thread; it may use this sandbox.
        :param timeout: seconds, after which ``TimeoutError`` is raised.
        :return: what the predicate returned.
        """
        return self._state.log.wait_for(predicate, timeout)

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

    def _run_in_loop(self, work: Callable[[], Any]) -> None:
        """Run something on the server's event loop: only there may the state be changed."""

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
        self._state.reset()
        self._state.tokens.clear()
        self._state.tokens[self.token] = None


Sandbox.__doc__ = documented(Sandbox.__doc__)
