"""What becomes of each cell of a cleaned file."""

import csv
import io
import random

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.export_files import DATE_COLUMNS
from airflow_provider_maestroqa.landing.clean import cells
from airflow_provider_maestroqa.landing.clean.cells import Cleaner, read_records, strip_formula_guard
from airflow_provider_maestroqa.landing.clean.dates import as_iso
from airflow_provider_maestroqa.landing.clean.encoders import csv_blocks
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter
from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS


def cleaned(data, size=1000, **options):
    records = read_records("a.csv", [data[start : start + size] for start in range(0, len(data), size)])
    cleaner = Cleaner(records, KeyCounter(), **options)
    return b"".join(csv_blocks(records, cleaner)), cleaner.column_stats()


def written(*rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def read_back(data):
    return [tuple(row) for row in csv.reader(io.StringIO(data.decode(), newline=""))]


GUARDS = {
    '="0397"': "0397",
    '="2021-03-04 10:00:00.123"': "2021-03-04 10:00:00.123",
    '=""': "",
    '="say ""hi"""': 'say "hi"',
    '="a\nb"': "a\nb",
    '="名前"': "名前",
    '=" x "': " x ",
    '="="1""': '="="1""',
    '="a"&"b"': '="a"&"b"',
    '="': '="',
    '="a': '="a',
    "=SUM(A1:A9)": "=SUM(A1:A9)",
    ' ="1"': ' ="1"',
    '="1" ': '="1" ',
    '"1"': '"1"',
    "": "",
}


@pytest.mark.parametrize("cell", GUARDS)
def test_a_guard_comes_off_and_nothing_else(cell):
    assert strip_formula_guard(cell) == GUARDS[cell]


@pytest.mark.parametrize("guarded", [b'="01"', b'"=""01"""'])
def test_a_guard_comes_off_whether_the_cell_was_quoted_or_not(guarded):
    assert cleaned(b"a,b\n1," + guarded + b"\n")[0] == b"a,b\n1,01\n"


def test_unknown_and_empty_are_null_and_nothing_else_is():
    texts = [
        "null",
        "NULL",
        "None",
        "unknown",
        "UNKNOWN",
        "Unknown ",
        " ",
        "n/a",
        "NaN",
        "-",
        "0",
        "false",
        "Unknown?",
    ]
    nulls = ["", "Unknown", '="Unknown"', '=""']
    data, contents = cleaned(written(["a", "b"], *[[cell, "x"] for cell in texts + nulls]))
    assert read_back(data)[1:] == [(cell, "x") for cell in texts] + [("", "x")] * 4
    assert contents.null_counts == {"a": 4, "b": 0}


def test_text_stays_as_it_is():
    cells = ["03975800", "1e5", "85.50", "+1", "-0", "  spaces  ", "2021-03-04T10:00:00+02:00", "TRUE", "\ufeffx"]
    cells += NASTY_CELLS
    rows = [(cell, "x") for cell in cells]
    data, contents = cleaned(written(["a", "b"], *rows))
    assert read_back(data)[1:] == [("" if cell == "Unknown" else cell, "x") for cell, _ in rows]
    assert contents.rows == len(rows)


def test_dates_are_read_in_known_columns_only():
    data, contents = cleaned(
        b"date_graded,when\n"
        b'="2021-03-04 10:00:00.123",="2021-03-04 10:00:00.123"\n'
        b"2021-03-04T10:00:00+02:00,2021-03-04T10:00:00+02:00\n"
        b",\nUnknown,Unknown\n"
    )
    assert data == (
        b"date_graded,when\n2021-03-04T10:00:00.123Z,2021-03-04 10:00:00.123\n"
        b"2021-03-04T08:00:00Z,2021-03-04T10:00:00+02:00\n,\n,\n"
    )
    assert contents.null_counts == {"date_graded": 2, "when": 2}
    assert contents.unreadable_dates == {}


@pytest.mark.parametrize("name", sorted(DATE_COLUMNS))
def test_each_known_date_column_is_read(name):
    assert cleaned(f"{name}\n2021-03-04\n".encode())[0] == f"{name}\n2021-03-04T00:00:00Z\n".encode()


def test_a_date_that_cannot_be_read_stays_and_is_counted(monkeypatch):
    monkeypatch.setattr(cells, "_MAX_DATES_CACHED", 3)
    rows = [["id", "date_graded"]] + [[str(n), f'="{n}. March"' if n % 2 else "2021-03-04"] for n in range(2000)]
    data, contents = cleaned(written(*rows))
    assert read_back(data)[1:5] == [
        ("0", "2021-03-04T00:00:00Z"),
        ("1", "1. March"),
        ("2", "2021-03-04T00:00:00Z"),
        ("3", "3. March"),
    ]
    assert contents.unreadable_dates == {"date_graded": 1000}
    assert contents.null_counts["date_graded"] == 0


def test_a_date_that_cannot_be_read_is_refused_when_it_may_not_stay():
    data = b'id,date_graded\n1,2021-03-04\n\n"2\n2",="tomorrow or the day after that or in a week or two"\n'
    with pytest.raises(MaestroQADataError) as caught:
        cleaned(data, date_remedy="Take CSV.")
    assert str(caught.value) == (
        "The export's file 'a.csv' cannot be cleaned: line 4 has a text of 53 characters that is no date, "
        "'=\"tomorrow or the day after that or in a...', in the date column 'date_graded'. Take CSV."
    )


def test_a_record_of_one_empty_cell_is_still_a_record():
    data, contents = cleaned(b'a\nUnknown\n""\nx\n')
    assert data == b'a\n""\n""\nx\n'
    assert (contents.rows, contents.null_counts) == (3, {"a": 2})


def test_a_file_of_nothing_but_a_header_stays_one():
    data, contents = cleaned(b'\xef\xbb\xbfa,"b,c"\r\n')
    assert data == b'a,"b,c"\n'
    assert (contents.columns, contents.rows, contents.null_counts) == (("a", "b,c"), 0, {"a": 0, "b,c": 0})


def test_what_was_cleaned_is_cleaned_no_further():
    data, contents = cleaned(written(["id", "date_graded", "comment"], *[[1, "2021-03-04", c] for c in NASTY_CELLS]))
    assert cleaned(data) == (data, contents)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\na,b,c,b\n1,2,3,4\n", "line 2 is the header, and has the column 'b' more than once"),
        (b"a,b\n1\n", "line 2 has 1 cells, but the header has 2"),
    ],
)
def test_a_file_that_is_no_table_is_rejected_and_the_remedy_is_named(data, error):
    with pytest.raises(MaestroQADataError) as caught:
        cleaned(data)
    assert str(caught.value) == (
        f"The export's file 'a.csv' cannot be cleaned: {error}. Nothing was published. With clean=False, "
        "file_format='csv.gz' or 'csv' lands the file as it is."
    )


@pytest.mark.parametrize("seed", range(25))
def test_any_file_is_cleaned_as_cell_by_cell(seed):
    chance = random.Random(seed)
    cells = [*NASTY_CELLS, '="1"', "Unknown", "", '="Unknown"', '"', ",", "\r", "\n", "é", "x" * 300]
    dates = ['="2021-03-04 10:00:00.123"', "2021-03-04", "", "Unknown", "soon", "2021-03-04T10:00:00-03:00"]
    rows = [[chance.choice(cells), chance.choice(dates), chance.choice(cells)] for _ in range(chance.randrange(300))]
    data, contents = cleaned(written(["x", "date_graded", "y"], *rows), chance.choice([1, 64, 10_000]))

    def one(cell, is_date):
        cell = strip_formula_guard(cell)
        cell = "" if cell == "Unknown" else cell
        return (as_iso(cell) or cell) if is_date else cell

    expected = [tuple(one(cell, place == 1) for place, cell in enumerate(row)) for row in rows]
    assert read_back(data) == [("x", "date_graded", "y"), *expected]
    assert contents.rows == len(rows)
    assert list(contents.null_counts.values()) == [sum(not row[at] for row in expected) for at in range(3)]
    soon = sum(row[1] == "soon" for row in rows)
    assert contents.unreadable_dates == ({"date_graded": soon} if soon else {})


def test_records_that_share_a_natural_key_after_cleaning_are_counted():
    header = ["gradable_id", "grader", "grade_type", "comment"]
    rows = [["1", "Unknown", "Manual", "a"], ["1", "", "Manual", "b"], ['="1"', "Ada", "Manual", "c"]]
    assert cleaned(written(header, *rows))[1].duplicate_keys == 1
    assert cleaned(written(header, *rows[1:]))[1].duplicate_keys == 0
    assert cleaned(written(["id", "comment"], ["1", "a"], ["1", "a"]))[1].duplicate_keys is None
