"""Sends requests to MaestroQA with requests, for code that may block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
import tenacity
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from airflow_provider_maestroqa.client.budget import Budget, BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError, MaestroQARateLimitError
from airflow_provider_maestroqa.client.settings import Settings, user_agent
from airflow_provider_maestroqa.client.transport.base_client import BaseClient
from airflow_provider_maestroqa.client.transport.deadline import time_responses, total_timeout
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.response_reader import BLOCK, ResponseReader, ResponseSink
from airflow_provider_maestroqa.client.transport.retry import (
    DEFAULT_REQUEST_TIMEOUT_S,
    Response,
    Retry,
    connection_error,
    is_not_carried_out,
    is_success,
)

_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
_READ_TIMEOUT = (urllib3.exceptions.ReadTimeoutError,)

#: Called with ``True`` when a request is sent, and with ``False`` when it is certain that it was not carried out.
OnInFlight = Callable[[bool], None]


class SyncClient(BaseClient):
    """MaestroQA for blocking code: every request passes the budget, and :mod:`.retry` decides what its outcome means.

    :param settings: the connection's settings, with the token.
    :param budget: the token's request budget; its clock is the client's.
    :param session: a requests session with proxy and TLS settings; ``None`` makes one. The client closes it.
    :param stats: counts what is sent.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Budget,
        session: requests.Session | None = None,
        *,
        stats: RequestStats | None = None,
    ) -> None:
        super().__init__(settings, budget, stats=stats)
        self._session = make_session(settings) if session is None else prepare_session(session)

    def send(
        self,
        request: Request,
        *,
        deadline: float | None = None,
        polling: bool = False,
        on_in_flight: OnInFlight | None = None,
    ) -> Any:
        """Send a request, retry it where that is safe, and return the decoded response.

        :param request: what to send.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: whether the caller polls: then a failure is not retried here, and the request draws on the
            smaller share of the budget that is meant for waiting.
        :param on_in_flight: called with ``True`` when a slot of the budget has come and the request is sent now, and
            with ``False`` when it is certain that this request was not carried out: the server was not reached, or
            responded with 421, 425 or 429.
        :return: the decoded JSON.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        return self._send_with_retries(self._retry(request, deadline, polling=polling), polling, on_in_flight)

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
        waited_s = self._budget.acquire(bucket, deadline=retry.deadline, polling=polling)
        on_in_flight(True)
        self.stats.count_request(bucket, waited_s=waited_s)
        try:
            response = self._transmit(retry, sink)
            return None if sink is not None and is_success(response.status) else self._read(request, response)
        except MaestroQAError as error:
            if is_not_carried_out(error):
                on_in_flight(False)
            if isinstance(error, MaestroQARateLimitError):
                self._budget.pause(bucket, self._count_rate_limited(error, retry))
            raise

    def _transmit(self, retry: Retry, sink: ResponseSink | None) -> Response:
        request, (connect_s, silence_s) = retry.request, self._settings.timeouts
        total_s = retry.try_timeout_s(silence_s=silence_s, is_large=sink is not None)
        try:
            with (
                total_timeout(total_s),
                self._session.request(
                    **self._http_arguments(request),
                    proxies=dict(self._settings.proxies),
                    timeout=(min(connect_s, total_s), min(silence_s, total_s)),
                    stream=True,
                ) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                reader = ResponseReader(request, response.status_code, headers, sink)
                while block := response.raw.read(BLOCK, decode_content=False):
                    reader.feed(block)
                return reader.finish()
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = _to_connection_error(request, error)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise failure


def make_session(settings: Settings) -> requests.Session:
    """Make a session where Airflow's HTTP hook makes none."""
    session = requests.Session()
    session.proxies = dict(settings.proxies)
    session.verify = settings.verify
    return prepare_session(session)


def prepare_session(session: requests.Session) -> requests.Session:
    """Give a session with proxy and TLS settings what each of our requests needs besides.

    It holds no token, so it also serves for the storage hosts of presigned URLs. Its adapters stay.
    """
    session.headers["User-Agent"] = user_agent()
    # Without this, requests would look for a password for the host in ~/.netrc and send it.
    session.auth = _no_auth
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            # Only the client knows which request may be sent twice, and only the budget when.
            adapter.max_retries = urllib3.Retry(0, read=False)
            _time_responses(adapter)
    return session


def _time_responses(adapter: HTTPAdapter) -> None:
    """Bound the responses of an adapter, also through the managers that it makes for proxies later."""
    make_proxy_manager = adapter.proxy_manager_for

    def make_timed_manager(proxy: str, **options: Any) -> urllib3.PoolManager:
        manager: urllib3.PoolManager = make_proxy_manager(proxy, **options)
        time_responses(manager)
        return manager

    time_responses(adapter.poolmanager)
    setattr(adapter, "proxy_manager_for", make_timed_manager)  # noqa: B010 -- mypy takes it for an override


def _ignore(is_in_flight: bool) -> None:
    """Nobody wants to know."""


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _to_connection_error(request: Request, error: Exception) -> MaestroQAConnectionError:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    sent = not isinstance(reason, _NEVER_SENT)
    if isinstance(error, requests.exceptions.SSLError):
        unverified = "CERTIFICATE_VERIFY_FAILED" in str(error)
        hint = (
            "the certificate could not be verified (extra verify takes a CA bundle)" if unverified else "TLS failed"
        )
        return connection_error(request, hint, sent=not unverified)
    if isinstance(error, requests.exceptions.ProxyError):
        return connection_error(request, "the proxy did not let the request through", sent=sent)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return connection_error(request, "the server did not accept the connection in time", sent=False)
    if isinstance(error, (requests.exceptions.Timeout, *_READ_TIMEOUT)) or isinstance(cause, _READ_TIMEOUT):
        return connection_error(request, "no response came in time", sent=True)
    if not sent:
        return connection_error(request, "the server could not be reached", sent=False)
    return connection_error(request, "the connection broke before the response was complete", sent=True)
