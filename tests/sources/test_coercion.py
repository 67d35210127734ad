from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_maestroqa.client.resources.models import AGENT, COMMENT, TICKET, TICKET_METRIC
from airflow_provider_maestroqa.sources import coercion as types
from airflow_provider_maestroqa.sources.coercion import CellError, CellReader

CELLS = CellReader()
BERLIN = CellReader(ZoneInfo("Europe/Berlin"))
UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_every_field_has_its_kind():
    assert dict(types.field_types(TICKET_METRIC)) == {
        **dict.fromkeys(("ticket_id", "source_id", "agent_id", "metric_id", "ticket_event_id"), types.TEXT),
        "metric_value": types.NUMBER,
        "timestamp": types.TIME,
        "metric_deleted": types.BOOLEAN,
    }
    ticket = types.field_types(TICKET)
    assert (ticket["agents"], ticket["tags"], ticket["attributes"]) == (types.LIST, types.TAGS, types.ATTRIBUTES)
    assert (types.field_types(COMMENT)["role"], types.field_types(AGENT)["email"]) == (types.TEXT, types.TEXT)
    assert types.field_types(AGENT)["available"] == types.BOOLEAN


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("007", "007"),
        (" a ", " a "),
        ("  ", None),
        (7, "7"),
        (-12345678901234567890, "-12345678901234567890"),
        (Decimal(7), "7"),
        (Decimal("1E+3"), "1000"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 1, 31), "2026-01-31"),
        (NOON, "2026-01-31T12:00:00Z"),
        (True, True),
        (["a"], ["a"]),
    ],
)
def test_text(cell, read):
    assert CELLS.text(cell) == read
    assert type(CELLS.text(cell)) is type(read)


@pytest.mark.parametrize(
    "cell", [7.0, 7.5, Decimal("7.00"), Decimal("NaN"), datetime(2026, 1, 1), b"x", memoryview(b"x")]
)
def test_what_text_is_not_made_of(cell):
    with pytest.raises(CellError):
        CELLS.text(cell)


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("7", 7),
        ("+7", 7),
        ("-0085", -85),
        ("85.5", 85.5),
        (" 85.5 ", 85.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("", None),
        (" ", None),
        (7, 7),
        (Decimal("7.25"), Decimal("7.25")),
    ],
)
def test_numbers(cell, read):
    assert CELLS.number(cell) == read
    assert type(CELLS.number(cell)) is type(read)


@pytest.mark.parametrize("cell", ["85,5", "1,234.5", "85 %", "1_000", "nan", "inf", "0x10", "٣", "--1", b"7"])
def test_what_is_no_number(cell):
    with pytest.raises(CellError, match=r"must be a number such as|is binary"):
        CELLS.number(cell)


@pytest.mark.parametrize("true", ["true", "TRUE", " True ", "t", "yes", "1", 1, 1.0, Decimal(1), True])
@pytest.mark.parametrize("false", ["false", "F", "no", "0", 0, 0.0, Decimal(0), False])
def test_booleans(true, false):
    assert (CELLS.boolean(true), CELLS.boolean(false), CELLS.boolean(" ")) == (True, False, None)


@pytest.mark.parametrize("cell", ["2", 2, -1, "on", "ja", b"1", [], 0.5])
def test_what_is_neither_true_nor_false(cell):
    with pytest.raises(CellError, match="must be true or false"):
        CELLS.boolean(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31 12:00:00 UTC",
        "2026-01-31 12:00:00+00",
        "2026-01-31 12:00:00.000000000 +0000",
        "2026-01-31T13:00+01:00",
        "2026-01-31t06:30:00-05:30",
        " 2026-01-31 12:00:00z ",
        datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_times_with_a_zone(cell):
    assert CELLS.time(cell) == NOON
    assert BERLIN.time(cell) == NOON


@pytest.mark.parametrize("cell", ["2026-01-31T13:00:00", "2026-01-31 13:00", datetime(2026, 1, 31, 13)])
def test_times_without_a_zone_need_one_to_be_named(cell):
    assert BERLIN.time(cell) == NOON
    with pytest.raises(CellError, match=r"has no time zone; .* timezone='UTC'"):
        CELLS.time(cell)


@pytest.mark.parametrize("cell", ["2026-07-01", date(2026, 7, 1)])
def test_a_date_is_its_midnight_in_the_zone_that_is_named(cell):
    assert BERLIN.time(cell) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    with pytest.raises(CellError, match="has no time zone"):
        CELLS.time(cell)


@pytest.mark.parametrize(
    "cell", ["9999-12-31 23:59:59-05", datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))]
)
def test_the_end_of_time_is_told(cell):
    for read in (CELLS.time, CELLS.anything) if isinstance(cell, datetime) else (CELLS.time,):
        with pytest.raises(CellError, match="between the years 1 and 9999"):
            read(cell)


def test_fractions_of_seconds_are_kept_to_the_microsecond():
    assert CELLS.time("2026-01-31T12:00:00.123456789Z") == NOON.replace(microsecond=123456)
    assert CELLS.time("2026-01-31T12:00:00.5Z") == NOON.replace(microsecond=500000)


@pytest.mark.parametrize("cell", ["31/01/2026", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00+99", "soon", 1769860800])
def test_what_is_no_time_is_left_to_the_check_of_the_record(cell):
    assert CELLS.time(cell) == cell


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("a, b", ["a", "b"]),
        ("a", ["a"]),
        ('["a,b", 7]', ["a,b", "7"]),
        (["a", 7], ["a", "7"]),
        (" ", None),
        ("[]", []),
    ],
)
def test_lists(cell, read):
    assert CELLS.texts(cell) == read


@pytest.mark.parametrize(("cell", "read"), [("a, b", "a, b"), ('["[vip]"]', ["[vip]"]), (["a"], ["a"]), ("", None)])
def test_tags(cell, read):
    assert CELLS.tags(cell) == read


@pytest.mark.parametrize("cell", ["[a, b", '["a"', "[{}", '{"a": 1}['])
def test_a_list_that_begins_as_json_must_be_json(cell):
    if cell.startswith("["):
        for read in (CELLS.texts, CELLS.tags):
            with pytest.raises(CellError, match="must be a JSON list"):
                read(cell)
    else:
        assert CELLS.texts(cell) == [cell]


def test_attributes_are_a_mapping_or_a_json_object():
    given = {
        "group": "x",
        "since": datetime(2026, 1, 31, 13),
        "empty": "",
        "on": date(2026, 1, 1),
        "deep": [UUID(int=0)],
    }
    assert BERLIN.attributes(given) == {
        "group": "x",
        "since": NOON,
        "empty": None,
        "on": "2026-01-01",
        "deep": ["00000000-0000-0000-0000-000000000000"],
    }
    assert CELLS.attributes('{"group": "x", "n": 1}') == {"group": "x", "n": 1}
    assert CELLS.attributes("") is None
    with pytest.raises(CellError, match="must be a JSON object"):
        CELLS.attributes("[1]")


def test_a_binary_cell_is_refused_everywhere():
    for field_type in (
        types.TEXT,
        types.NUMBER,
        types.TIME,
        types.TAGS,
        types.LIST,
        types.ATTRIBUTES,
        types.ANYTHING,
    ):
        with pytest.raises(CellError, match="is binary, which JSON cannot hold"):
            CELLS.reader_for(field_type)(b"\x00")
