from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.pushes.records import read_records
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records, query_records
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
    """What a push would make of a source: what is sent, and what is not, each with its position."""

    def __init__(self, records):
        self.records = list(records)
        self.bodies = [record.body for record in self.records if record.body is not None]
        self.errors = {record.position: record.error for record in self.records if record.body is None}
        self.positions = [record.position for record in self.records]


@pytest.fixture
def read(tmp_path):
    """Read a file of this content as the push engine would."""

    def read(content, name="metrics.csv", *, resource="ticket_metrics", mapping=None, timezone=None, **options):
        path = tmp_path / name
        path.write_bytes(content)
        kind = resource_named(resource).record_type
        read_options = ReadOptions.parse(kind, mapping=mapping, timezone=timezone)
        with file_records(LocalFile(path), read_options, **options) as records:
            result = Result(read_records(records, kind.check))
        result.positions = [position.removeprefix(f"{tmp_path}/") for position in result.positions]
        result.errors = {position.removeprefix(f"{tmp_path}/"): text for position, text in result.errors.items()}
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
        read_options = ReadOptions.parse(kind, mapping=mapping, timezone=timezone)
        rows = SqlRows(
            connection,
            sql,
            parameters,
            chunk_size=chunk_size,
            explain=lambda error: MaestroQADataError(f"the database said: {error}", retryable=True),
        )
        try:
            return Result(read_records(query_records(rows, read_options, "The query"), kind.check))
        finally:
            rows.close()

    return ask


@pytest.fixture
def metric():
    """A ticket metric in its three forms: header, line, and as it travels."""
    return HEADER, LINE, SENT
