"""What the sync and the async client share: everything but I/O."""

from __future__ import annotations

from typing import Any

from airflow_provider_maestroqa.client.budget import Budget, Refusal
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQARateLimitError
from airflow_provider_maestroqa.client.settings import Settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.response_reader import ACCEPT_ENCODING
from airflow_provider_maestroqa.client.transport.retry import (
    DEFAULT_REQUEST_TIMEOUT_S,
    MAX_ATTEMPTS,
    Response,
    Retry,
    full_window,
    rate_limit_pause,
    read_response,
)


class BaseClient:
    """Builds requests and reads responses for both clients. The budget's clock is the client's.

    :param settings: the connection's settings, with the token.
    :param budget: the token's request budget.
    :param stats: counts what is sent.
    """

    def __init__(self, settings: Settings, budget: Budget, *, stats: RequestStats | None = None) -> None:
        self._settings = settings
        self._budget = budget
        self._clock = budget.clock
        self.stats = stats or RequestStats()

    def _retry(
        self,
        request: Request,
        deadline: float | None,
        *,
        polling: bool = False,
        slot_deadline: float | None = None,
    ) -> Retry:
        now = self._clock.wall
        deadline = now() + DEFAULT_REQUEST_TIMEOUT_S if deadline is None else deadline
        max_attempts = 1 if polling else MAX_ATTEMPTS
        return Retry(request, deadline=deadline, max_attempts=max_attempts, slot_deadline=slot_deadline, now=now)

    def _http_arguments(self, request: Request) -> dict[str, Any]:
        """The arguments that requests and aiohttp have in common."""
        return {
            "method": request.method,
            "url": self._settings.base_url + request.path,
            "params": dict(request.query),
            "json": request.body,
            "headers": {
                **request.endpoint.auth.headers(self._settings.token),
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
            },
            "allow_redirects": False,
        }

    def _read(self, request: Request, response: Response) -> Any:
        settings = self._settings
        secrets = (*settings.secrets, *request.secrets)
        return read_response(request, response, now=self._clock.wall(), secrets=secrets, base_url=settings.base_url)

    def _count_request(self, retry: Retry, waited_s: float) -> None:
        """Count a request whose slot has come, and which is sent now."""
        self.stats.count_request(retry.request.endpoint.bucket, waited_s=waited_s)
        retry.sent_at = self._clock.monotonic()

    def _count_rate_limited(self, error: MaestroQARateLimitError, retry: Retry) -> tuple[float, Refusal]:
        """Count a 429; return for how many seconds all pause, and what the budget learns from it."""
        bucket = retry.request.endpoint.bucket
        self.stats.count_rate_limited(bucket)
        windows = self._settings.limits.get(bucket, ())
        refusal = Refusal(full_window(error, windows), self._clock.monotonic() - retry.sent_at)
        return rate_limit_pause(error, windows, retry.rate_limited + 1), refusal
