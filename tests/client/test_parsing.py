from __future__ import annotations

import math
import random
from datetime import date, datetime, timedelta, timezone

import jinja2
import pytest
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import (
    is_blank,
    is_date,
    parse_choice,
    parse_count,
    parse_days,
    parse_duration,
    parse_flag,
    parse_id,
    parse_midnight,
    parse_optional_time,
    parse_seconds,
    parse_text,
    parse_time,
)


def rendered(template, environment=jinja2.Environment):
    return environment(undefined=jinja2.Undefined).from_string(template).render(nothing=None)


@pytest.mark.parametrize(
    ("value", "blank"),
    [
        (None, True),
        ("", True),
        (" \n", True),
        (rendered("{{ nothing }}"), True),
        (rendered("{{ missing }}"), True),
        (rendered("{{ nothing }}", NativeEnvironment), True),
        (rendered("{{ missing }}", NativeEnvironment), True),
        (jinja2.StrictUndefined(name="missing"), True),
        ("none", False),
        ("T-1", False),
        (0, False),
        (False, False),
        ({}, False),
    ],
)
def test_what_a_template_leaves_that_finds_nothing_is_blank(value, blank):
    assert is_blank(value) is blank


@pytest.mark.parametrize(
    ("parse", "value", "result"),
    [
        (parse_text, " T-1 ", " T-1 "),
        (parse_id, "T-1", "T-1"),
        (parse_id, 5071, "5071"),
        (parse_seconds, "0:01:30", 90),
        (parse_seconds, "PT1M30.5S", 90.5),
        (parse_days, timedelta(hours=12), timedelta(hours=12)),
        (parse_days, "7 days, 0:00:00", timedelta(days=7)),
        (parse_flag, True, True),
        (parse_flag, " False ", False),
        (parse_count, 0, 0),
        (parse_count, " 12 ", 12),
        (parse_seconds, "1.5", 1.5),
        (parse_seconds, timedelta(minutes=1), 60),
        (parse_days, "0.5", timedelta(hours=12)),
        (parse_days, 90, timedelta(days=90)),
    ],
)
def test_a_value_is_read_as_itself_or_as_the_text_a_template_makes_of_it(parse, value, result):
    assert parse(value, "field") == result


@pytest.mark.parametrize(
    ("parse", "values"),
    [
        (parse_text, [None, "", " ", "None", 7.5, True, ["T-1"], 10**5_000]),
        (parse_id, [None, "", " ", "None", 7.0]),
        (parse_flag, [None, "yes", 1, ""]),
        (parse_count, [None, True, 1.5, -1, "-1", "1e3", "٣", "9" * 5_000, -(10**5_000), ""]),
        (
            parse_seconds,
            [
                None,
                True,
                -1,
                "soon",
                math.nan,
                math.inf,
                "inf",
                timedelta(-1),
                10**400,
                10**5_000,
                "-1 day, 23:00:00",
            ],
        ),
        (parse_days, [None, True, 0, -1, "a week", math.inf, 1e-9, 10**400, 10**5_000, ""]),
    ],
)
def test_any_other_value_is_an_error_that_names_the_field(parse, values):
    for value in values:
        with pytest.raises(MaestroQAConfigError, match=r"^field must be .*, got "):
            parse(value, "field")


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        ("P7D", timedelta(days=7)),
        ("P1W", timedelta(weeks=1)),
        (" P1DT2H3M4.5S ", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("PT36H", timedelta(hours=36)),
        ("7 days, 0:00:00", timedelta(days=7)),
        ("1 day, 2:03:04.500000", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("7 days", timedelta(days=7)),
        ("604800", timedelta(days=7)),
        (86400, timedelta(days=1)),
        (0.5, timedelta(seconds=0.5)),
    ],
)
def test_a_duration_is_read_as_a_template_writes_it(value, duration):
    assert parse_duration(value, "lookback") == duration


def test_random_durations_are_read_from_the_text_that_python_writes():
    rng = random.Random(3)
    for _ in range(2_000):
        duration = timedelta(microseconds=rng.randrange(1, 10 ** rng.randrange(1, 16)))
        assert parse_duration(str(duration), "lookback") == duration


@pytest.mark.parametrize(
    "value", [0, -1, True, "", None, "P", "PT", "P1Y", "P1M", "P1.5D", "-1 day, 0:00:00", "0:00:00", [], 1e300]
)
def test_what_is_no_duration_names_the_forms_that_are(value):
    with pytest.raises(
        MaestroQAConfigError, match=r"lookback must be a duration above zero.*P7D.*7 days, 0:00:00.*seconds"
    ):
        parse_duration(value, "lookback")


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_time_at_the_edges_of_the_calendar_is_an_error_of_the_field(value):
    for parse in (parse_time, parse_midnight):
        with pytest.raises(MaestroQAConfigError, match=r"^start=.* is no time between the years 1 and 9999 in UTC"):
            parse(value, "start")
    with pytest.raises(MaestroQAConfigError, match=r"end=.* has no midnight after it"):
        parse_midnight("9999-12-31T12:00:00Z", "end", round_up=True)


def test_no_value_makes_a_parser_raise_another_error_than_its_own():
    rng = random.Random(11)
    pool = [
        None,
        True,
        -1,
        0,
        10**5_000,
        -(10**400),
        math.nan,
        math.inf,
        "",
        "None",
        "9" * 5_000,
        "1e999",
        "P" + "9" * 90 + "D",
    ]
    pool += [
        b"x",
        [],
        {},
        timedelta.max,
        timedelta.min,
        datetime.min,
        datetime.max,
        date.min,
        date.max,
        object(),
        "\ud800",
    ]
    pool += [datetime.max.replace(tzinfo=timezone.utc), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))]
    pool += ["".join(rng.choice("0123456789-:.TZP +DWdays,") for _ in range(rng.randrange(30))) for _ in range(3_000)]
    parsers = [
        parse_text,
        parse_id,
        parse_flag,
        parse_count,
        parse_seconds,
        parse_days,
        parse_duration,
        parse_time,
        parse_midnight,
    ]
    for parse in parsers:
        for value in pool:
            message = "field"
            try:
                parse(value, "field")
            except MaestroQAConfigError as error:
                message = error.message
            assert "field" in message
            assert len(message) < 500


def test_a_count_keeps_to_its_range():
    assert parse_count("500", "page_size", minimum=1, maximum=500) == 500
    for value in (0, 501):
        with pytest.raises(MaestroQAConfigError, match=r"page_size must be a whole number from 1 to 500, got \d"):
            parse_count(value, "page_size", minimum=1, maximum=500)
    with pytest.raises(MaestroQAConfigError, match="chunk_size must be a whole number, 1 or more, got 0"):
        parse_count(0, "chunk_size", minimum=1)


def test_a_choice_is_one_of_the_words_given():
    assert parse_choice("raw", "export_type", {"raw": 1, "groups": 2}) == "raw"
    with pytest.raises(MaestroQAConfigError, match="export_type must be one of raw, groups; got 'RAW'"):
        parse_choice("RAW", "export_type", ("raw", "groups"))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
        ("2026-01-31 01:30:00+01:30", "2026-01-31T00:00:00Z"),
        ("2026-01-31T00:00:00.120Z", "2026-01-31T00:00:00.120Z"),
        ("2026-01-31T00:00:00.1239999+00:00", "2026-01-31T00:00:00.123Z"),
        ("2026-01-31T00:00:00.000000Z", "2026-01-31T00:00:00Z"),
        (datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=-5))), "2026-01-31T05:00:00Z"),
        (datetime(2026, 1, 31, 0, 0, 0, 7000, tzinfo=timezone.utc), "2026-01-31T00:00:00.007Z"),
    ],
)
def test_a_time_with_a_zone_is_written_in_utc(given, written):
    assert format_time(parse_time(given, "start")) == written


@pytest.mark.parametrize(
    "value", [datetime(2026, 1, 31), "2026-01-31T00:00:00", "2026-01-31", "yesterday", "", 1700000000, None]
)
def test_a_time_without_a_zone_is_an_error_that_names_field_and_remedy(value):
    with pytest.raises(MaestroQAConfigError, match=r"start.*(aware datetime)"):
        parse_time(value, "start")


def test_a_time_may_be_left_out_where_it_is_optional():
    assert parse_optional_time("None", "start") is None
    assert parse_optional_time("2026-01-31T00:00:00Z", "start") == datetime(2026, 1, 31, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        (date(2026, 1, 31), 31, 31),
        (" 2026-01-31 ", 31, 31),
        ("2026-01-30T23:30:00-01:00", 31, 31 + 1),
        ("2026-01-31T00:00:00Z", 31, 31),
    ],
)
def test_a_date_or_a_time_becomes_a_midnight(value, before, after):
    midnight = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert parse_midnight(value, "start") == midnight + timedelta(days=before - 1)
    assert parse_midnight(value, "end", round_up=True) == midnight + timedelta(days=after - 1)


def test_a_date_is_told_from_a_time():
    for value in ("2026-01-31", date(2026, 1, 31)):
        assert is_date(value)
    for value in ("2026-01-31T00:00:00Z", datetime(2026, 1, 31), None):
        assert not is_date(value)
    with pytest.raises(MaestroQAConfigError, match="start='2026-02-30' is no date"):
        parse_midnight("2026-02-30", "start")
