"""Spans around requests, for whoever traces."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQANotFoundError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


@pytest.fixture
def spans(monkeypatch):
    """The spans that have ended, in a process that traces."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = export.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter.get_finished_spans


def everything_in(span):
    return f"{span.to_json()} {span.events}"


def test_a_span_names_the_route_and_the_status_and_no_id(connection, sandbox, spans):
    sandbox.add_tickets(["T-secret-7"])
    with MaestroQAHook(connection) as hook:
        hook.get_ticket("T-secret-7")
    (span,) = spans()
    assert span.name == "GET /api/v1/tickets/{ticket_id}"
    assert span.kind is trace.SpanKind.CLIENT
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/tickets/{ticket_id}",
        "http.response.status_code": 200,
        "maestroqa.budget.waited_s": span.attributes["maestroqa.budget.waited_s"],
    }
    assert "T-secret-7" not in everything_in(span)
    assert sandbox.token not in everything_in(span)


def test_a_failure_says_its_kind_and_not_whom_it_concerns(connection, sandbox, spans):
    sandbox.fault(kind="status", status=503, path="/api/v1/todos", times=1)
    with MaestroQAHook(connection) as hook:
        assert not hook.test_connection()[0]
        with pytest.raises(MaestroQANotFoundError):
            hook.get_ticket("T-unknown")
    busy, unknown = spans()
    assert busy.attributes["http.response.status_code"] == 503
    assert busy.attributes["error.type"] == "MaestroQAServerError"
    assert unknown.attributes["error.type"] == "MaestroQANotFoundError"
    assert unknown.status.status_code is trace.StatusCode.ERROR
    assert "T-unknown" not in everything_in(unknown)


def test_a_request_without_a_response_has_no_status(connection, sandbox, spans):
    sandbox.fault(kind="reset_before", path="/api/v1/todos")
    with MaestroQAHook(connection) as hook:
        assert not hook.test_connection()[0]
    (span,) = spans()
    assert "http.response.status_code" not in span.attributes
    assert span.attributes["error.type"] == "MaestroQAConnectionError"


def test_requests_of_the_triggerer_have_spans_too(connection, sandbox, spans):
    with MaestroQAHook(connection) as hook:
        export_id = hook.request_groups_export()
    asyncio.run(MaestroQAHook(connection).aget_export(export_id))
    assert [span.name.partition(" ")[0] for span in spans()] == ["POST", "GET"]
    assert export_id not in everything_in(spans()[-1])


def test_a_process_that_does_not_trace_imports_nothing_for_it():
    code = (
        "import sys; from airflow_provider_maestroqa.client.transport import sync_client; "
        "sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
