"""The hook of a check: sends a limited number of requests, and keeps what came back besides the JSON."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.transport.retry import Response, Retry
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

#: How many requests a check sends at most.
MAX_REQUESTS = 60
_ATTEMPTS = 2
_REQUEST_TIMEOUT_S = 180.0


class RequestsSpentError(Exception):
    """The check may send no more requests."""


class CheckClient(SyncClient):
    """A client that counts, and that keeps the last response as it came."""

    #: The last response; ``None`` when none came.
    last: Response | None = None
    #: Requests that are left for undoing what the check has written.
    kept_back: int = 0
    #: The last 429.
    rate_limited: Response | None = None

    @property
    def requests_left(self) -> int:
        """How many requests may still be sent."""
        return MAX_REQUESTS - self.kept_back - self.stats.requests

    def burst(self, request: Request, number: int) -> list[Response]:
        """Send a request several times at once, which exceeds the limits; its slots must have been reserved.

        :param request: a request that only reads.
        :param number: how often.
        """
        retry = self._retry(request, None)
        with ThreadPoolExecutor(number) as executor:
            return list(executor.map(lambda _: self._transmit(retry, None), range(number)))

    def reserve(self, bucket: str, number: int) -> None:
        """Take slots of the budget for requests that are sent later.

        :raises RequestsSpentError: there are not so many left.
        """
        self._require_requests(number)
        for _ in range(number):
            self.stats.count_request(bucket, waited_s=self._budget.acquire(bucket))

    @contextmanager
    def at_host(self, base_url: str) -> Iterator[None]:
        """Send requests to another host."""
        settings = self._settings
        self._settings = replace(settings, base_url=base_url)
        try:
            yield
        finally:
            self._settings = settings

    def pause(self, bucket: str, seconds: float) -> None:
        """Let all who share the token's budget wait."""
        self._budget.pause(bucket, seconds)

    def _retry(self, request: Request, deadline: float | None, **options: Any) -> Retry:  # noqa: ARG002
        now = self._clock.wall
        return Retry(request, deadline=deadline or now() + _REQUEST_TIMEOUT_S, max_attempts=_ATTEMPTS, now=now)

    def _send_once(self, *arguments: Any) -> Any:
        self.last = None
        self._require_requests()
        return super()._send_once(*arguments)

    def _read(self, request: Request, response: Response) -> Any:
        self.last = response
        if response.status == 429:
            self.rate_limited = response
        return super()._read(request, response)

    def _require_requests(self, number: int = 1) -> None:
        if self.requests_left < number:
            raise RequestsSpentError(f"the {MAX_REQUESTS} requests of a check are spent")


class CheckHook(MaestroQAHook):
    """The hook of a check."""

    _client_class = CheckClient
    client: CheckClient
