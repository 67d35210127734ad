"""pyarrow's reader is used only where it reads what Python's own does: the same table, counts and errors."""

import csv
import io

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.clean.cells import Cleaner, read_records
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter

pa = pytest.importorskip("pyarrow")
arrow_reader = pytest.importorskip("airflow_provider_maestroqa.landing.clean.arrow_reader")

#: Columns of dates and of the natural key among them.
HEADERS = [
    ("a",),
    ("a", "b"),
    ("date_graded",),
    ("gradable_id", "date_graded", "comment"),
    ("gradable_id", "rubric_id", "date_reported_as", "time_stamp"),
]
TEXTS = [
    "", "x", "Unknown", "unknown", " Unknown", '="Unknown"', '=""', '="', '"', '""', ",", "\n", "\r", "\r\n", "\n\n",
    '="0397"', '="a"&"b"', '="a""b"', '= "1"', "é", "名前", "😀", "\ufeff", "\u2028", "\x85", "\0", "\x1f", "\x1e",
    "\x1e0",    " ", "\t", ";", "NULL", "nan", "0397", "1e5", "true", "say \"hi\"",
    'screen 5" wide', "line\nbreak", "old\rbreak",
    "a" * 70,
]  # fmt: skip
DATES = [
    "2021-03-04", "2021-03-04 10:00", "2021-03-04 10:00:00", "2021-03-04T10:00:00.1", "2021-03-04 10:00:00.123",
    "2021-03-04 10:00:00.123456", "2021-03-04 10:00:00.1234567", "2021-03-04 10", "2021-03-04T10:00:00Z",
    "2021-03-04T10:00Z", "2021-03-04 10:00+01", "2021-03-04 10:00:00.1Z", "2021-03-04 10:00 UTC", "2021-03-04t10:00",
    "0000-01-01", "0001-01-01", "9999-12-31 23:59:59.999999", "9999-12-31T23:59:59-01:00", "2021-02-29", "2020-02-29",
    "2021-03-04 24:00", "2021-03-04 23:59:60", "2021-3-4", "20210304", "2021-W05-4 10:00:00.000", " 2021-03-04",
    "\uff12\uff10\uff12\uff11-03-04", "04.03.2021", "1970-01-01", "1969-12-31T23:59:59.5Z", "2021-03-04 10:00:00,123",
    "+021-03-04",
]  # fmt: skip


def in_blocks(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def values(columns):
    """Timestamps as microseconds, because Python's own zones may be missing here."""
    return [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist() for column in columns
    ]


def read(data, *, piece, cut=97):
    """The columns and what was counted of them, or the error; and how many pieces pyarrow's reader read."""
    pieces_read = 0

    class Watched(arrow_reader.ArrowReader):
        def _read(self, piece):
            nonlocal pieces_read
            columns = super()._read(piece)
            pieces_read += columns is not None
            return columns

    before, arrow_reader.PIECE = arrow_reader.PIECE, piece
    try:
        with KeyCounter() as keys:
            records = read_records("a.csv", in_blocks(data, cut))
            cleaner = Cleaner(records, keys, date_remedy="Do this.")
            reader = Watched(records, cleaner)
            table = pa.Table.from_batches(list(reader.batches()), schema=reader.schema)
            table.validate(full=True)
            return (values(table.columns), cleaner.column_stats()), pieces_read
    except MaestroQADataError as error:
        return str(error), pieces_read
    finally:
        arrow_reader.PIECE = before


def read_by_python(data, cut=1 << 20):
    """What Python's reader makes of it, and the cleaning of its cells one by one."""
    try:
        with KeyCounter() as keys:
            records = read_records("a.csv", in_blocks(data, cut))
            cleaner = Cleaner(records, keys, date_remedy="Do this.")
            columns = [[] for _ in records.header]
            for chunk in records.chunks():
                for column, cells in zip(columns, cleaner.clean(chunk), strict=True):
                    column.extend(cell or None for cell in cells)
            arrays = [pa.array(column, pa.string()) for column in columns]
            for place in cleaner.dates:
                arrays[place] = arrays[place].cast(pa.timestamp("us", tz="UTC"))
            return values(arrays), cleaner.column_stats()
    except MaestroQADataError as error:
        return str(error)


@some.composite
def csv_files(draw):
    """A file as some program may have written it, or as a bad disk has left it."""
    header = draw(some.sampled_from(HEADERS))
    end = draw(some.sampled_from(["\n", "\n", "\r\n", "\r"]))
    quoting = draw(some.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None]))
    text = io.StringIO()
    text.write(draw(some.sampled_from(["", "\ufeff"])))
    writer = csv.writer(text, lineterminator=end, quoting=quoting or csv.QUOTE_MINIMAL)
    writer.writerow(header)
    dates = draw(some.lists(some.sampled_from(DATES), min_size=1, max_size=2))
    texts = some.sampled_from(TEXTS) | some.text(some.characters(codec="utf-8"), max_size=4)
    # Most files have dates of one shape, guarded or not.
    guard = draw(some.sampled_from(["{}", '="{}"']))
    moments = some.sampled_from([guard.format(date) for date in dates] + ["", "Unknown"])
    cells = [moments if "date" in name or name == "time_stamp" else texts for name in header]
    for row in draw(some.lists(some.tuples(*cells), max_size=12)):
        if quoting is None:
            text.write(",".join(row) + end)
        else:
            writer.writerow(row)
        text.write(draw(some.sampled_from(["", "", "", "", end, "x,y" + end])) if draw(some.booleans()) else "")
    data = text.getvalue().encode("utf-8", "surrogatepass")
    if draw(some.booleans()):
        return data
    spot = draw(some.integers(0, len(data)))
    damage = draw(
        some.sampled_from([b"", b'"', b"\r", b"\n", b"\xff", b"\0", b",", b"\xed\xa0\x80", b'""', b"\xef\xbb\xbf"])
    )
    return data[:spot] + damage + data[spot + draw(some.integers(0, 2)) :]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(csv_files(), some.sampled_from([1, 10, 60, 300, 1 << 20]), some.sampled_from([1, 7, 50, 1 << 20]))
@example(b"a,b\n1,2\n\xef\xbb\xbf3,4\n", 1, 50)
@example(b'a,b\n1,2\n3,"open\n', 1, 50)
@example(b"a,b\r\n1,2\r3,4\r\n", 1 << 20, 50)
@example(b'a,b\r\n1,"2\r3"\r\n', 1 << 20, 50)
@example(b'a\n"\xc3"\xa9"\n', 1, 1)
def test_the_table_is_the_one_that_python_s_reader_gives(data, piece, cut):
    table, _ = read(data, piece=piece, cut=cut)
    expected = read_by_python(data)
    if isinstance(expected, str):
        # Of several errors, the first one in what is parsed at once is named.
        assert table in {expected, *(read_by_python(data, size) for size in (1, 7, 50))}
    else:
        assert table == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_as_maestroqa_writes_them_are_read_by_pyarrow_alone(end):
    row = ["0397", '="2021-03-04 10:00:00.123"', 'say "hi"\nto\r\nall, on an old\rsystem']
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerows([["gradable_id", "date_graded", "comment"], *[row] * 50, ["Unknown", "", ""], *[row] * 50])
    found, pieces = read(text.getvalue().encode(), piece=1000)
    assert found == read_by_python(text.getvalue().encode())
    assert pieces > 5
    columns, stats = found
    assert columns[1][0] == 1_614_852_000_123_000
    assert columns[2][0] == row[2]
    assert stats.null_counts == {"gradable_id": 1, "date_graded": 1, "comment": 1}
    assert stats.duplicate_keys == 99


def test_what_only_python_s_reader_reads_right_is_read_by_it_from_there_on():
    data = b"a,b\n" + b"1,2\n" * 50 + b"\xef\xbb\xbf3,4\n" + b"5,6\n" * 50
    found, pieces = read(data, piece=40)
    assert 0 < pieces < 10
    assert found[0][0] == ["1"] * 50 + ["\ufeff3"] + ["5"] * 50


def test_a_bad_record_is_named_by_its_line_however_much_was_read_before():
    data = b"a,b\n" + b'1,"2\n3"\n' * 500
    assert "line 1002 has 1 cells" in read(data + b"4\n", piece=100)[0]
    assert "line 1002 opens a quote that is never closed" in read(data + b'4,"5', piece=100)[0]
    assert "line 1002 is not UTF-8: its byte 3 is 0xff" in read(data + b"4,\xff\n", piece=100)[0]
