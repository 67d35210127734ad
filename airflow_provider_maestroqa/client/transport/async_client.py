"""Carries calls to MaestroQA with aiohttp, for the triggerer's event loop. Decides nothing that sync does not."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import certifi
import requests.utils
import tenacity

from airflow_provider_maestroqa.client.budget import Budget, BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError, MaestroQARateLimitError
from airflow_provider_maestroqa.client.settings import Settings, user_agent
from airflow_provider_maestroqa.client.transport.request_stats import Usage
from airflow_provider_maestroqa.client.transport.retry import (
    DEFAULT_REQUEST_TIMEOUT_S,
    MAX_TRIES,
    Response,
    Retry,
    budget_exhausted_error,
    connection_error,
    penalty_seconds,
    read_response,
    verdict,
)


class AsyncClient:
    """MaestroQA for an event loop: the twin of :class:`.sync_client.SyncClient`. Use it as ``async with``.

    :param settings: where MaestroQA is, and who asks.
    :param budget: the token's request budget.
    :param usage: counts what is sent.
    :param clock: Unix time in seconds.
    :param sleep: waits for some seconds without blocking the loop.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Budget,
        *,
        usage: Usage | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self.usage = usage or Usage()
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncClient:
        connect_s, read_s = self._settings.timeouts
        tls = await asyncio.to_thread(_tls, self._settings.verify, _bundle_from_environment())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, force_close=True),
            headers={"User-Agent": user_agent()},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=read_s),
        )
        if hasattr(self._session, "_retry_connection"):
            # aiohttp would send a GET again by itself, past the budget, and offers no public way to say no.
            self._session._retry_connection = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, call: Request, *, deadline: float | None = None, polling: bool = False) -> Any:
        """Send a call, repeat it where that is safe, and return what MaestroQA answers.

        :param call: what to ask.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: as for :meth:`.sync.SyncClient.send`.
        :return: the decoded JSON.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        deadline = self._clock() + DEFAULT_REQUEST_TIMEOUT_S if deadline is None else deadline
        retry = Retry(call, deadline=deadline, tries=1 if polling else MAX_TRIES)
        retrying = tenacity.AsyncRetrying(**retry.rules(now=self._clock, sleep=self._sleep))
        failure: MaestroQAError
        try:
            return await retrying(self._send_once, call, retry, polling)
        except BudgetExhaustedError as error:
            failure = budget_exhausted_error(call, needed_s=error.needed_s)
        except MaestroQAError as error:
            failure = verdict(call, error, lost_before=retry.answer_was_lost)
        raise failure

    async def _send_once(self, call: Request, retry: Retry, polling: bool) -> Any:
        bucket = call.endpoint.bucket
        waited_s = await self._budget.acquire_async(bucket, deadline=retry.deadline, polling=polling)
        self.usage.sent(bucket, waited_s=waited_s)
        answer = await self._carry(call)
        try:
            return read_response(call, answer, now=self._clock(), secrets=(self._settings.token,))
        except MaestroQARateLimitError as error:
            self.usage.refused(bucket)
            windows = self._settings.limits.get(bucket, ())
            await self._budget.penalise_async(bucket, penalty_seconds(error, windows, retry.refusals + 1))
            raise

    async def _carry(self, call: Request) -> Response:
        if self._session is None:
            raise RuntimeError("Use the client as `async with AsyncClient(...) as client`.")
        url = self._settings.base_url + call.path
        try:
            async with self._session.request(
                call.method,
                url,
                params=dict(call.query),
                json=call.body,
                headers={"apitoken": self._settings.token, "Accept": "application/json"},
                proxy=_proxy(url, self._settings),
                allow_redirects=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, headers, await response.read())
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            lost = _explain(call, error)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise lost


def _explain(call: Request, error: Exception) -> MaestroQAConnectionError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "the certificate could not be verified (extra verify takes a CA bundle)"
        return connection_error(call, hint, sent=False)
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return connection_error(call, "the proxy did not let the request through", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return connection_error(call, "the server could not be reached", sent=False)
    if isinstance(error, getattr(aiohttp, "ConnectionTimeoutError", ())):
        return connection_error(call, "the server did not accept the connection in time", sent=False)
    if isinstance(error, asyncio.TimeoutError):
        return connection_error(call, "no answer came in time", sent=True)
    return connection_error(call, "the connection broke before the answer was whole", sent=True)


def _proxy(url: str, settings: Settings) -> str | None:
    """The proxy that requests would use. aiohttp's own look at the environment would also read ~/.netrc."""
    proxies = {**requests.utils.get_environ_proxies(url), **settings.proxies}
    return requests.utils.select_proxy(url, proxies)


def _bundle_from_environment() -> str:
    """The CA bundle that requests would use, so that both drivers trust the same servers."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


@lru_cache(maxsize=8)
def _tls(verify: bool | str, default_bundle: str) -> ssl.SSLContext | bool:
    if verify is False:
        return False
    bundle = verify if isinstance(verify, str) else default_bundle
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
