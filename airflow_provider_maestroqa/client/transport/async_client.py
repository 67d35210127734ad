"""Sends requests to MaestroQA with aiohttp, for the triggerer's event loop. Decides nothing that sync does not."""

from __future__ import annotations

import asyncio
import os
import ssl
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
from airflow_provider_maestroqa.client.transport.base_client import BaseClient
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.response_reader import ResponseReader
from airflow_provider_maestroqa.client.transport.retry import Response, Retry, connection_error


class AsyncClient(BaseClient):
    """MaestroQA for an event loop: the twin of :class:`.sync_client.SyncClient`. Use it as ``async with``.

    :param settings: the connection's settings, with the token.
    :param budget: the token's request budget; its clock is the client's.
    :param stats: counts what is sent.
    """

    def __init__(self, settings: Settings, budget: Budget, *, stats: RequestStats | None = None) -> None:
        super().__init__(settings, budget, stats=stats)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncClient:
        tls = await asyncio.to_thread(_tls, self._settings.verify, _bundle_from_environment())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, force_close=True),
            headers={"User-Agent": user_agent()},
            # The reader decodes, within its bounds.
            auto_decompress=False,
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

    async def send(self, request: Request, *, deadline: float | None = None, polling: bool = False) -> Any:
        """Send a request, retry it where that is safe, and return the decoded response.

        :param request: what to send.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: as for :meth:`.sync_client.SyncClient.send`.
        :return: the decoded JSON.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        retry = self._retry(request, deadline, polling=polling)
        retrying = tenacity.AsyncRetrying(**retry.tenacity_options(self._clock.sleep_async))
        try:
            return await retrying(self._send_once, request, retry, polling)
        except (BudgetExhaustedError, MaestroQAError) as error:
            failure = retry.final_error(error)
        raise failure

    async def _send_once(self, request: Request, retry: Retry, polling: bool) -> Any:
        bucket = request.endpoint.bucket
        waited_s = await self._budget.acquire_async(bucket, deadline=retry.deadline, polling=polling)
        self.stats.count_request(bucket, waited_s=waited_s)
        try:
            return self._read(request, await self._transmit(retry))
        except MaestroQARateLimitError as error:
            await self._budget.pause_async(bucket, self._count_rate_limited(error, retry))
            raise

    async def _transmit(self, retry: Retry) -> Response:
        request, (connect_s, silence_s) = retry.request, self._settings.timeouts
        total_s = retry.try_timeout_s(silence_s=silence_s)
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=min(connect_s, total_s), sock_read=silence_s)
        if self._session is None:
            raise RuntimeError("Use the client as `async with AsyncClient(...) as client`.")
        arguments = self._http_arguments(request)
        proxy = _proxy(arguments["url"], self._settings)
        try:
            async with self._session.request(**arguments, proxy=proxy, timeout=timeout) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                reader = ResponseReader(request, response.status, headers)
                async for block in response.content.iter_any():
                    reader.feed(block)
                return reader.finish()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            failure = _to_connection_error(request, error)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise failure


def _to_connection_error(request: Request, error: Exception) -> MaestroQAConnectionError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "the certificate could not be verified (extra verify takes a CA bundle)"
        return connection_error(request, hint, sent=False)
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return connection_error(request, "the proxy did not let the request through", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return connection_error(request, "the server could not be reached", sent=False)
    if isinstance(error, getattr(aiohttp, "ConnectionTimeoutError", ())):
        return connection_error(request, "the server did not accept the connection in time", sent=False)
    if isinstance(error, asyncio.TimeoutError):
        return connection_error(request, "no response came in time", sent=True)
    return connection_error(request, "the connection broke before the response was complete", sent=True)


def _proxy(url: str, settings: Settings) -> str | None:
    """The proxy that requests would use. aiohttp's own reading of the environment would also read ~/.netrc."""
    proxies = {**requests.utils.get_environ_proxies(url), **settings.proxies}
    return requests.utils.select_proxy(url, proxies)


def _bundle_from_environment() -> str:
    """The CA bundle that requests would use, so that both clients trust the same servers."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


@lru_cache(maxsize=8)
def _tls(verify: bool | str, default_bundle: str) -> ssl.SSLContext | bool:
    if verify is False:
        return False
    bundle = verify if isinstance(verify, str) else default_bundle
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
