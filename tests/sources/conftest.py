from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.pushes.records import read_items
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.sources.reader import Reading, file_records, query_records
from airflow_provider_maestroqa.sources.sql_rows import SqlRows
from airflow_provider_maestroqa.storage.open import LocalFile

#: The header of ticket metrics, and one of them below it.
HEADER = b"ticket_id,source_id,agent_id,metric_id,metric_value,timestamp\n"
LINE = b"T-1,zendesk,agent-1,csat,85.5,2026-01-31T00:00:00Z\n"
SENT = {
    "ticket_id": "T-1",
    "source_id": "zendesk",
    "agent_id": "agent-1",
    "metric_id": "csat",
    "metric_value": 85.5,
    "timestamp": "2026-01-31T00:00:00Z",
}


class Result:
    """What a push would make of a source: what travels, and what does not, each with its place."""

    def __init__(self, items):
        self.items = list(items)
        self.bodies = [item.body for item in self.items if item.body is not None]
        self.problems = {item.place: item.problem for item in self.items if item.body is None}
        self.places = [item.place for item in self.items]


@pytest.fixture
def read(tmp_path):
    """Read a file of this content as the push engine would."""

    def read(content, name="metrics.csv", *, resource="ticket_metrics", mapping=None, timezone=None, **options):
        path = tmp_path / name
        path.write_bytes(content)
        kind = resource_named(resource).record_type
        reading = Reading.checked(kind, mapping=mapping, timezone=timezone)
        with file_records(LocalFile(path), reading, **options) as records:
            result = Result(read_items(records, kind.check))
        result.places = [place.removeprefix(f"{tmp_path}/") for place in result.places]
        result.problems = {place.removeprefix(f"{tmp_path}/"): text for place, text in result.problems.items()}
        return result

    return read


@pytest.fixture
def ask():
    """Read the rows of a query as the push engine would."""

    def ask(
        connection,
        sql,
        parameters=None,
        *,
        resource="ticket_metrics",
        mapping=None,
        timezone=None,
        chunk_size=1000,
    ):
        kind = resource_named(resource).record_type
        reading = Reading.checked(kind, mapping=mapping, timezone=timezone)
        rows = SqlRows(
            connection,
            sql,
            parameters,
            chunk_size=chunk_size,
            explain=lambda error: MaestroQADataError(f"the database said: {error}", retryable=True),
        )
        try:
            return Result(read_items(query_records(rows, reading, "The query"), kind.check))
        finally:
            rows.close()

    return ask


@pytest.fixture
def metric():
    """A ticket metric in its three forms: header, line, and as it travels."""
    return HEADER, LINE, SENT
