"""The page about files and databases as sources: its tables and samples hold."""

from __future__ import annotations

import ast
import json
import re
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic_core import PydanticCustomError

from airflow_provider_maestroqa.client.resources.coercion import (
    as_attributes,
    as_number,
    as_objects,
    as_tags,
    as_texts,
    as_time,
)
from airflow_provider_maestroqa.client.resources.models import (
    AGENT,
    AGENT_METRIC,
    COMMENT,
    CSAT_SCORE,
    TICKET,
    TICKET_METRIC,
)
from airflow_provider_maestroqa.pushes.records import read_records
from airflow_provider_maestroqa.sources import coercion as types
from airflow_provider_maestroqa.sources.coercion import CellError, CellReader
from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records
from airflow_provider_maestroqa.storage.open import LocalFile
from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator
from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

PAGE = "docs/sources.md"
OPERATORS = [SqlToMaestroQAOperator, ObjectStorageToMaestroQAOperator]
TYPES = {"date": date, "datetime": datetime, "Decimal": Decimal, "UUID": UUID}
#: What the check of a record makes of a value that was read.
CHECKS = {
    types.NUMBER: as_number,
    types.TIME: as_time,
    types.TAGS: as_tags,
    types.LIST: as_texts,
    types.ATTRIBUTES: as_attributes,
    types.OBJECTS: as_objects,
}


def test_every_field_is_read_as_documented(tables_in, read):
    (rows,) = [rows for rows in tables_in(read(PAGE)) if rows[0][0] == "Fields"]
    said = {field: kind for fields, kind in rows[1:] for field in re.findall(r"`(\w+)`", fields)}
    for record_type in (TICKET, TICKET_METRIC, AGENT, AGENT_METRIC, COMMENT, CSAT_SCORE):
        for field, kind in types.field_types(record_type).items():
            assert said.get(field, types.TEXT) == kind, field


def conversions(text):
    for kind_list, cells, becomes in text[1:]:
        for kind in kind_list.split(", "):
            for cell in re.findall(r"`(.+?)`(?=, |$)", cells):
                yield kind, cell, becomes


def test_every_row_of_the_conversions_holds(tables_in, read):
    (rows,) = [rows for rows in tables_in(read(PAGE)) if rows[0][0] == "Read as"]
    found = list(conversions(rows))
    assert len(found) > 40
    for kind, written, becomes in found:
        cell = eval(written, dict(TYPES))
        if cell is None:
            assert becomes == "absent"
            continue
        if becomes.startswith("rejected"):
            with pytest.raises((CellError, PydanticCustomError)):
                travels(CellReader(), kind, cell)
            if "`timezone`" in becomes:
                assert travels(CellReader(ZoneInfo("UTC")), kind, cell).startswith("2026-01-31T")
        else:
            wanted = None if becomes == "absent" else ast.literal_eval(becomes.strip("`"))
            assert travels(CellReader(), kind, cell) == wanted, (kind, written)


def travels(cells, kind, cell):
    value = cells.reader_for(kind)(cell)
    return value if value is None else CHECKS.get(kind, lambda given: given)(value)


def test_the_sample_of_a_mapping_sends_what_is_shown(code_of, root, tmp_path):
    blocks = code_of(root / PAGE)
    (sample,) = [block.text for block in blocks if block.language == "text" and block.text.startswith("id,")]
    mapping, record = [json.loads(block.text) for block in blocks if block.language == "json"]
    (tmp_path / "sample.csv").write_text(sample)
    read_options = ReadOptions.parse(TICKET, mapping=mapping, timezone=None)
    with file_records(LocalFile(tmp_path / "sample.csv"), read_options) as records:
        (item,) = read_records(records, TICKET.check)
    assert item.body == record


def test_each_way_to_map_is_one_that_is_taken(table, root):
    for written in table(PAGE, "A field is mapped to"):
        mapped = json.loads(written)
        mapping = {name: {"value": "x"} for name in ("ticket_id", "type", "subject", "agents", "link")}
        read_options = ReadOptions.parse(TICKET, mapping={**mapping, "attributes.x": mapped}, timezone=None)
        assert read_options.entries[-1].target.attribute == "x"
