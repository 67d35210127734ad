"""Reads a large source in a process of its own, and says how its memory has grown meanwhile."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_maestroqa.client.resources.models import TICKET_METRIC
from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records, query_records
from airflow_provider_maestroqa.sources.sql_rows import SqlRows
from airflow_provider_maestroqa.storage.open import LocalFile

HEADER = "ticket_id,source_id,agent_id,metric_id,metric_value,timestamp\n"
SELECT = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
SELECT printf('%07d', n) AS ticket_id, 'zendesk' AS source_id, 'agent-1' AS agent_id, 'csat' AS metric_id,
    n * 0.5 AS metric_value, '2026-01-31T00:00:00Z' AS timestamp, hex(zeroblob(200)) AS ballast
FROM numbers
"""


@contextmanager
def from_csv(folder, count, read_options):
    path = folder / f"{count}.csv"
    with path.open("w") as file:
        file.write(HEADER)
        file.writelines(f"{n:07d},zendesk,agent-1,csat,{n}.5,2026-01-31T00:00:00Z\n" for n in range(count))
    with file_records(LocalFile(path), read_options) as records:
        yield records


@contextmanager
def from_sql(folder, count, read_options):
    connection = sqlite3.connect(folder / "x.db")
    rows = SqlRows(connection, SELECT.format(count=count), None, chunk_size=1000, explain=RuntimeError)
    try:
        yield query_records(rows, read_options, "The query")
    finally:
        rows.close()


def peak():
    # Not getrusage: its peak begins with that of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    mapping = {name: name for name in TICKET_METRIC.fields[:6]}
    read_options = ReadOptions.parse(TICKET_METRIC, mapping=mapping, timezone=None)
    told = {}
    for name, source in (("csv", from_csv), ("sql", from_sql)):
        for size in (2000, count):
            before = peak()
            with source(folder, size, read_options) as records:
                read = sum(1 for record in records if not record.error)
            told[name] = {"read": read, "grown_mb": peak() - before}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
