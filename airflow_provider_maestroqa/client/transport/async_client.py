"""Sends requests to MaestroQA with aiohttp, for the triggerer's event loop. Decides nothing that sync does not."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace, TracebackType
from typing import Any

import aiohttp
import certifi
import tenacity

from airflow_provider_maestroqa.client.budget import Budget, BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAError, MaestroQARateLimitError
from airflow_provider_maestroqa.client.settings import Settings, user_agent
from airflow_provider_maestroqa.client.transport.base_client import BaseClient
from airflow_provider_maestroqa.client.transport.network import (
    SendPhase,
    certificates_for,
    proxy_for,
    tls_context,
)
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.response_reader import ResponseReader
from airflow_provider_maestroqa.client.transport.retry import (
    BAD_CERTIFICATE,
    BROKEN_OFF,
    NO_RESPONSE_IN_TIME,
    NOT_ACCEPTED_IN_TIME,
    NOT_REACHED,
    PROXY_REFUSED,
    Response,
    Retry,
    connection_error,
)
from airflow_provider_maestroqa.client.transport.tracing import request_span

_SOCKS_REMEDY = "The triggerer knows no other, whatever a worker can use. "


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
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            trace_configs=[_phase_recorder()],
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
        waited_s = await self._budget.acquire_async(bucket, deadline=retry.slot_deadline, polling=polling)
        self._count_request(retry, waited_s)
        try:
            with request_span(request, waited_s=waited_s) as set_status:
                response = await self._transmit(retry)
                set_status(response.status)
                return self._read(request, response)
        except MaestroQARateLimitError as error:
            await self._budget.pause_async(bucket, *self._count_rate_limited(error, retry))
            raise

    async def _transmit(self, retry: Retry) -> Response:
        request, (connect_s, silence_s) = retry.request, self._settings.timeouts
        total_s = retry.try_timeout_s(silence_s=silence_s)
        timeout = aiohttp.ClientTimeout(
            total=total_s,
            # aiohttp has no other limit for the time that a proxy takes over its answer to CONNECT.
            connect=min(connect_s + silence_s, total_s),
            sock_connect=min(connect_s, total_s),
            sock_read=silence_s,
        )
        if self._session is None:
            raise RuntimeError("Use the client as `async with AsyncClient(...) as client`.")
        arguments = self._http_arguments(request)
        proxy = proxy_for(arguments["url"], self._settings, remedy=_SOCKS_REMEDY)
        tls = await asyncio.to_thread(_tls, arguments["url"], proxy, self._settings)
        phase = SendPhase()
        try:
            async with self._session.request(
                **arguments, proxy=proxy, ssl=tls, timeout=timeout, trace_request_ctx=phase
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                reader = ResponseReader(request, response.status, headers)
                async for block in response.content.iter_any():
                    reader.feed(block)
                return reader.finish()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            failure = connection_error(request, _reason(error, begun=phase.begun), sent=phase.begun)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise failure


def _phase_recorder() -> aiohttp.TraceConfig:
    """From the moment that a request has its connection (through the proxy, if any) its bytes may leave."""

    async def record(session: aiohttp.ClientSession, request: SimpleNamespace, parameters: Any) -> None:  # noqa: ARG001
        request.trace_request_ctx.begun = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(record)
    trace.on_connection_reuseconn.append(record)
    trace.on_request_headers_sent.append(record)
    return trace


def _reason(error: Exception, *, begun: bool) -> str:
    """Say in words why no response came. What may be sent again does not depend on it."""
    if begun:
        return NO_RESPONSE_IN_TIME if isinstance(error, asyncio.TimeoutError) else BROKEN_OFF
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return BAD_CERTIFICATE
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed"
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return PROXY_REFUSED
    return NOT_ACCEPTED_IN_TIME if isinstance(error, asyncio.TimeoutError) else NOT_REACHED


def _tls(url: str, proxy: str | None, settings: Settings) -> ssl.SSLContext | bool:
    certificates = certificates_for(url, proxy, settings)
    if certificates is False or not url.startswith("https:"):
        return certificates is not False
    return tls_context(certifi.where() if certificates is True else certificates)
