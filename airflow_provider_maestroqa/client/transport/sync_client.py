"""Sends requests to MaestroQA with requests, for code that may block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
import tenacity
import urllib3.exceptions

from airflow_provider_maestroqa.client.budget import Budget, BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAError, MaestroQARateLimitError
from airflow_provider_maestroqa.client.settings import Settings
from airflow_provider_maestroqa.client.transport.base_client import BaseClient
from airflow_provider_maestroqa.client.transport.deadline import total_timeout
from airflow_provider_maestroqa.client.transport.network import SendPhase
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.response_reader import BLOCK, ResponseReader, ResponseSink
from airflow_provider_maestroqa.client.transport.retry import (
    BAD_CERTIFICATE,
    BROKEN_OFF,
    DEFAULT_REQUEST_TIMEOUT_S,
    NO_RESPONSE_IN_TIME,
    NOT_ACCEPTED_IN_TIME,
    NOT_REACHED,
    PROXY_REFUSED,
    Response,
    Retry,
    connection_error,
    is_not_carried_out,
    is_success,
)
from airflow_provider_maestroqa.client.transport.session import make_session
from airflow_provider_maestroqa.client.transport.tracing import request_span

_READ_TIMEOUT = (urllib3.exceptions.ReadTimeoutError,)

#: Called with ``True`` when a request is sent, and with ``False`` when it is certain that it was not carried out.
OnInFlight = Callable[[bool], None]


class SyncClient(BaseClient):
    """MaestroQA for blocking code: every request passes the budget, and :mod:`.retry` decides what its outcome means.

    :param settings: the connection's settings, with the token.
    :param budget: the token's request budget; its clock is the client's.
    :param stats: counts what is sent.
    """

    def __init__(self, settings: Settings, budget: Budget, *, stats: RequestStats | None = None) -> None:
        super().__init__(settings, budget, stats=stats)
        self._session = make_session(settings)

    def send(
        self,
        request: Request,
        *,
        deadline: float | None = None,
        polling: bool = False,
        slot_deadline: float | None = None,
        on_in_flight: OnInFlight | None = None,
    ) -> Any:
        """Send a request, retry it where that is safe, and return the decoded response.

        :param request: what to send.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: whether the caller polls: then a failure is not retried here, and the request draws on the
            smaller share of the budget that is meant for waiting.
        :param slot_deadline: Unix time in seconds until which it waits for a slot of the budget. Default: the
            deadline.
        :param on_in_flight: called with ``True`` when a slot of the budget has come and the request is sent now, and
            with ``False`` when it is certain that this request was not carried out: the server was not reached, or
            responded with 421, 425 or 429.
        :return: the decoded JSON.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        retry = self._retry(request, deadline, polling=polling, slot_deadline=slot_deadline)
        return self._send_with_retries(retry, polling, on_in_flight)

    def stream(self, request: Request, sink: ResponseSink, *, timeout_s: float = DEFAULT_REQUEST_TIMEOUT_S) -> None:
        """Send a request whose response is too large for memory, and write the response to ``sink`` block by block.

        Otherwise as :meth:`send`: a response that breaks off, or that the sink does not find complete, is lost, and
        the request is retried where that is safe.

        :param request: what to send.
        :param sink: takes the response.
        :param timeout_s: seconds after which nothing is tried again.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        self._send_with_retries(self._retry(request, self._clock.wall() + timeout_s), False, None, sink)

    def close(self) -> None:
        """Close the connections that are kept open for further requests."""
        self._session.close()

    def _send_with_retries(
        self, retry: Retry, polling: bool, on_in_flight: OnInFlight | None, sink: ResponseSink | None = None
    ) -> Any:
        retrying = tenacity.Retrying(**retry.tenacity_options(self._clock.sleep))
        try:
            return retrying(self._send_once, retry, polling, on_in_flight or _ignore, sink)
        except (BudgetExhaustedError, MaestroQAError) as error:
            failure = retry.final_error(error)
        raise failure

    def _send_once(self, retry: Retry, polling: bool, on_in_flight: OnInFlight, sink: ResponseSink | None) -> Any:
        request, bucket = retry.request, retry.request.endpoint.bucket
        waited_s = self._budget.acquire(bucket, deadline=retry.slot_deadline, polling=polling)
        on_in_flight(True)
        self._count_request(retry, waited_s)
        try:
            with request_span(request, waited_s=waited_s) as set_status:
                response = self._transmit(retry, sink)
                set_status(response.status)
                return None if sink is not None and is_success(response.status) else self._read(request, response)
        except MaestroQAError as error:
            if is_not_carried_out(error):
                on_in_flight(False)
            if isinstance(error, MaestroQARateLimitError):
                self._budget.pause(bucket, *self._count_rate_limited(error, retry))
            raise

    def _transmit(self, retry: Retry, sink: ResponseSink | None) -> Response:
        request, (connect_s, silence_s) = retry.request, self._settings.timeouts
        total_s = retry.try_timeout_s(silence_s=silence_s, is_large=sink is not None)
        phase = SendPhase()
        try:
            with (
                phase,
                total_timeout(total_s),
                self._session.request(
                    **self._http_arguments(request),
                    timeout=(min(connect_s, total_s), min(silence_s, total_s)),
                    stream=True,
                ) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                reader = ResponseReader(request, response.status_code, headers, sink)
                while block := response.raw.read(BLOCK, decode_content=False):
                    reader.feed(block)
                return reader.finish()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = connection_error(request, _reason(error, begun=phase.begun), sent=phase.begun)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise failure


def _ignore(is_in_flight: bool) -> None:
    """Nobody wants to know."""


def _reason(error: Exception, *, begun: bool) -> str:
    """Say in words why no response came. What may be sent again does not depend on it."""
    if begun:
        late = (requests.exceptions.Timeout, *_READ_TIMEOUT)
        is_late = isinstance(error, late) or (error.args and isinstance(error.args[0], _READ_TIMEOUT))
        return NO_RESPONSE_IN_TIME if is_late else BROKEN_OFF
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BAD_CERTIFICATE
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    if isinstance(error, requests.exceptions.ProxyError):
        return PROXY_REFUSED
    return NOT_ACCEPTED_IN_TIME if isinstance(error, requests.exceptions.Timeout) else NOT_REACHED
