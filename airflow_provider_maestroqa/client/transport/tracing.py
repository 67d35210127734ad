"""OpenTelemetry spans around requests, where the process traces; else nothing, and nothing is imported.

Airflow traces with ``[traces] otel_on``. A span says which operation was requested and what came of it. It holds the
route with placeholders, never an id, a query, a body or the token.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request


@contextmanager
def request_span(request: Request, *, waited_s: float) -> Iterator[Callable[[int], None]]:
    """Trace one try of a request.

    :param request: what is sent.
    :param waited_s: seconds that it has waited for the request budget.
    :return: a function that takes the status of the response.
    """
    # Whoever traces has imported it.
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        yield _ignore
        return
    route = request.endpoint.full_path
    attributes = {"http.request.method": request.method, "http.route": route, "maestroqa.budget.waited_s": waited_s}
    with trace.get_tracer(__package__).start_as_current_span(
        f"{request.method} {route}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        # An error's message may name a record.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:

        def set_status(status: int) -> None:
            span.set_attribute("http.response.status_code", status)

        try:
            yield set_status
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


def _ignore(status: int) -> None:
    """Nobody traces."""
