"""Carries calls to MaestroQA with requests, for code that may block."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import requests
import tenacity
import urllib3.exceptions
from requests.adapters import HTTPAdapter

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
    is_success,
    penalty_seconds,
    read_response,
    verdict,
)

_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)


_BLOCK = 1 << 18


class Target(Protocol):
    """Where an answer too large for memory goes."""

    def restart(self) -> None:
        """Forget what has come: the answer comes from its beginning now."""

    def write(self, block: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """The answer is over. Raises ``MaestroQAServerError`` when it is not whole."""


class SyncClient:
    """MaestroQA for blocking code: every call passes the budget, and its outcome is judged by the policy.

    :param settings: where MaestroQA is, and who asks.
    :param budget: the token's request budget.
    :param session: a requests session with proxy and TLS settings; ``None`` makes one. The client closes it.
    :param usage: counts what is sent.
    :param clock: Unix time in seconds.
    :param sleep: waits for some seconds.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Budget,
        session: requests.Session | None = None,
        *,
        usage: Usage | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self.usage = usage or Usage()
        self._session = make_session(settings) if session is None else prepare_session(session)
        self._clock = clock
        self._sleep = sleep

    def send(
        self,
        call: Request,
        *,
        deadline: float | None = None,
        polling: bool = False,
        in_flight: Callable[[bool], None] | None = None,
    ) -> Any:
        """Send a call, repeat it where that is safe, and return what MaestroQA answers.

        :param call: what to ask.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: whether the caller asks again anyway: then a failure is not repeated here, and the call
            draws on the smaller share of the budget that is meant for waiting.
        :param in_flight: told ``True`` when a slot of the budget has come and the call is sent now, and ``False``
            when it is certain that this sending was not carried out: the server was not reached, or answered 429.
        :return: the decoded JSON.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        deadline = self._clock() + DEFAULT_REQUEST_TIMEOUT_S if deadline is None else deadline
        retry = Retry(call, deadline=deadline, tries=1 if polling else MAX_TRIES)
        return self._persist(call, retry, polling, in_flight or _nobody)

    def save(self, call: Request, target: Target, *, patience_s: float = DEFAULT_REQUEST_TIMEOUT_S) -> None:
        """Send a call whose answer is too large for memory, and give the answer to ``target`` block by block.

        Otherwise as :meth:`send`: an answer that breaks off, or that the target does not find whole, is lost, and the
        call is repeated where that is safe.

        :param call: what to ask.
        :param target: takes the answer.
        :param patience_s: seconds after which nothing is tried again.
        :raises MaestroQAError: see :mod:`.errors`.
        """
        retry = Retry(call, deadline=self._clock() + patience_s)
        self._persist(call, retry, False, _nobody, target)

    def close(self) -> None:
        """Close the connections that are kept open for further calls."""
        self._session.close()

    def _persist(
        self,
        call: Request,
        retry: Retry,
        polling: bool,
        in_flight: Callable[[bool], None],
        target: Target | None = None,
    ) -> Any:
        retrying = tenacity.Retrying(**retry.rules(now=self._clock, sleep=self._sleep))
        failure: MaestroQAError
        try:
            return retrying(self._send_once, call, retry, polling, in_flight, target)
        except BudgetExhaustedError as error:
            failure = budget_exhausted_error(call, needed_s=error.needed_s)
        except MaestroQAError as error:
            failure = verdict(call, error, lost_before=retry.answer_was_lost)
        raise failure

    def _send_once(
        self,
        call: Request,
        retry: Retry,
        polling: bool,
        in_flight: Callable[[bool], None],
        target: Target | None,
    ) -> Any:
        bucket = call.endpoint.bucket
        waited_s = self._budget.acquire(bucket, deadline=retry.deadline, polling=polling)
        in_flight(True)
        self.usage.sent(bucket, waited_s=waited_s)
        try:
            answer = self._carry(call, target)
        except MaestroQAConnectionError as error:
            if not error.sent:
                in_flight(False)
            raise
        if target is not None and is_success(answer.status):
            target.finish()
            return None
        try:
            return read_response(call, answer, now=self._clock(), secrets=(self._settings.token,))
        except MaestroQARateLimitError as error:
            in_flight(False)
            self.usage.refused(bucket)
            windows = self._settings.limits.get(bucket, ())
            self._budget.penalise(bucket, penalty_seconds(error, windows, retry.refusals + 1))
            raise

    def _carry(self, call: Request, target: Target | None) -> Response:
        try:
            with self._session.request(
                call.method,
                self._settings.base_url + call.path,
                params=dict(call.query),
                json=call.body,
                headers={"apitoken": self._settings.token, "Accept": "application/json"},
                proxies=dict(self._settings.proxies),
                timeout=self._settings.timeouts,
                allow_redirects=False,
                stream=target is not None,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if target is not None and is_success(response.status_code):
                    target.restart()
                    for block in response.iter_content(_BLOCK):
                        target.write(block)
                    return Response(response.status_code, headers, b"")
                return Response(response.status_code, headers, response.content)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            lost = _explain(call, error)
        # Raised here, so that the library's error, which may hold a proxy's password, is not its context.
        raise lost


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
    return session


def _nobody(is_in_flight: bool) -> None:
    """Nobody wants to know."""


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _explain(call: Request, error: Exception) -> MaestroQAConnectionError:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    sent = not isinstance(reason, _NEVER_SENT)
    if isinstance(error, requests.exceptions.SSLError):
        unverified = "CERTIFICATE_VERIFY_FAILED" in str(error)
        hint = (
            "the certificate could not be verified (extra verify takes a CA bundle)" if unverified else "TLS failed"
        )
        return connection_error(call, hint, sent=not unverified)
    if isinstance(error, requests.exceptions.ProxyError):
        return connection_error(call, "the proxy did not let the request through", sent=sent)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return connection_error(call, "the server did not accept the connection in time", sent=False)
    if isinstance(error, requests.exceptions.Timeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return connection_error(call, "no answer came in time", sent=True)
    if not sent:
        return connection_error(call, "the server could not be reached", sent=False)
    return connection_error(call, "the connection broke before the answer was whole", sent=True)
