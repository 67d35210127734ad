"""Reading records: what is read right, and which line is named when a file cannot be read."""

import codecs
import csv
import io
import random
import re

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.storage import csv_reader
from airflow_provider_maestroqa.storage.csv_reader import MAX_CELL, CsvReader


def reader(data, size=7, **options):
    return CsvReader([data[start : start + size] for start in range(0, len(data), size)], "a.csv", **options)


def read(data, size=7):
    records = reader(data, size)
    return records.header, [tuple(record) for chunk in records.chunks() for record in chunk.records]


def rejected(data, size=7):
    """The message, the same in both modes."""
    messages = set()
    for strict in (False, True):
        with pytest.raises(MaestroQADataError) as caught:
            for _ in reader(data, size, remedy="Do this.", strict=strict).chunks():
                pass
        assert not caught.value.retryable
        messages.add(str(caught.value))
    (message,) = messages
    assert message.startswith("a.csv line ")
    assert message.endswith(". Do this.")
    return message


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n", [("1", "2")]),
        (b"a,b\r\n1,2\r\n", [("1", "2")]),
        (b"a,b\n1,2", [("1", "2")]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")]),
        (b'\xef\xbb\xbf"a",b\n1,2\n', [("1", "2")]),
        (b'a,b\n"x\ny","p\r\nq"\n"\r","\n\n"\n', [("x\ny", "p\r\nq"), ("\r", "\n\n")]),
        (b'a,b\n"say ""hi""",screen 5" wide\n', [('say "hi"', 'screen 5" wide')]),
        (b'a,b\n="01","=""02"""\n', [('="01"', '="02"')]),
        (b"\n\na,b\n\n1,2\r\n\r\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ("a,b\n名前,\u2028\x85\x0b\x0c\x1c\n😀,é\n".encode(), [("名前", "\u2028\x85\x0b\x0c\x1c"), ("😀", "é")]),
        (b"a,b\n,\n", [("", "")]),
        (b'a,b\n1,""', [("1", "")]),
        (b"a,b\n", []),
        (b"a,b", []),
        (b"\xef\xbb\xbfa,b\r\n\r\n", []),
    ],
)
def test_records_are_read_wherever_the_file_is_cut(data, rows, size):
    assert read(data, size) == (("a", "b"), rows)


def test_a_file_of_one_column_has_a_record_for_each_line_that_is_not_empty():
    assert read(b'a\n1\n""\n\n2\n') == (("a",), [("1",), ("",), ("2",)])


@pytest.mark.parametrize("seed", range(25))
def test_records_are_those_of_python_s_own_reader(seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(csv_reader, "BLOCK", chance.choice([1, 5, 50, 1 << 17]))
    text = io.StringIO()
    ends = chance.choice(["\n", "\r\n"])
    writer = csv.writer(text, lineterminator=ends, quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    cells = ["", "x", '"', "\n", "\r\n", 'a"b', '=""1""', ",", "é", "長い", "😀", "\n\r\n", '="3"', "Unknown"]
    rows = [tuple("".join(chance.choices(cells, k=2)) for _ in range(3)) for _ in range(chance.randrange(80))]
    writer.writerow(["a", "b", "c"])
    for row in rows:
        text.write(ends * chance.choice([0, 0, 0, 1]))
        writer.writerow(row)
    assert read(text.getvalue().encode(), chance.choice([1, 13, 1000])) == (("a", "b", "c"), rows)


LONG = b"".join(b'%d,"line\nbreak"\n\n' % number for number in range(400))


@pytest.mark.parametrize("bad", [b"1\n", b"1,2,3\n", b'"x\ny"\n'])
@pytest.mark.parametrize("size", [7, 500, 100_000])
def test_a_record_with_more_or_fewer_cells_is_named_by_its_line(bad, size):
    cells = bad.count(b",") + 1
    expected = f"line 3 has {cells} cells, but the header has 2"
    assert expected in rejected(b"a,b\n1,2\n" + bad + b"3,4\n", size)
    expected = f"line 1202 has {cells} cells, but the header has 2"
    assert expected in rejected(b"a,b\n" + LONG + bad + LONG, size)


@pytest.mark.parametrize("size", [7, 500, 100_000])
def test_bytes_that_are_not_utf8_are_named_by_their_line(size):
    assert "line 3 is not UTF-8: its byte 5 is 0xe9" in rejected(b'a,b\n1,2\n"caf\xe9",secret\n', size)
    assert "line 1204 is not UTF-8: its byte 3 is 0xff" in rejected(
        b"a,b\n" + LONG + b"1,2\n3,4\n5,\xff\n" + LONG, size
    )
    assert "line 2 is not UTF-8: its byte 3 is 0xe5" in rejected("a,b\n1,名".encode()[:-1], size)


@pytest.mark.parametrize("bom", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf16_is_named(bom):
    code = "utf-16-le" if bom == codecs.BOM_UTF16_LE else "utf-16-be"
    assert "line 1 is UTF-16, not UTF-8" in rejected(bom + "a,b\n1,2\n".encode(code))


def test_utf16_without_a_mark_is_rejected_too():
    # Python 3.10 refuses to parse it; newer ones give names with NULs in them.
    assert re.search("line 1 .*(has a NUL|holds NUL characters)", rejected("a,b\n1,2\n".encode("utf-16-le")))


@pytest.mark.parametrize(("sign", "called"), [(";", "semicolons"), ("\t", "tabs"), ("|", "pipes")])
def test_another_delimiter_is_named(sign, called):
    assert f"line 1 is the header, and {called} seem to separate its columns, not commas: 'a" in rejected(
        f"a{sign}b\n1{sign}2\n".encode()
    )


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n\n"])
def test_a_file_without_even_a_header_is_rejected(data):
    assert "line 1 should be the header, but the file is empty" in rejected(data)


@pytest.mark.parametrize(
    "data", [b'a,b\n1,2\n3,"open\n4,5\n', b'a,b\n1,2\n3,"', b'a,b\n1,2\n3,"open ""\n' + b"4,5\n" * 300]
)
@pytest.mark.parametrize("size", [7, 100_000])
def test_a_quote_that_is_never_closed_is_named_by_its_line(data, size):
    assert "line 3 opens a quote that is never closed" in rejected(data, size)
    assert "line 1 opens a quote that is never closed" in rejected(b'a,"b\n1,2\n', size)


@pytest.mark.parametrize("data", [b"a,b\n1,2\n3,4\r5,6\n", b"a,b\n1,2\n3\r,4\n"])
def test_a_carriage_return_outside_of_quotes_is_no_line_end(data):
    assert "line 3 has a carriage return outside of quotes" in rejected(data)


def test_a_cell_that_would_fill_the_memory_is_rejected():
    big = b"x" * (MAX_CELL + 10)
    assert "line 3 has a cell of more than 4,194,304 characters" in rejected(
        b'a,b\n1,2\n3,"' + b"many lines\n" * (len(big) // 10) + b'"\n', 1 << 20
    )
    assert "line 3 has more than 8,388,608 characters" in rejected(b"a,b\n1,2\n3," + big * 2, 1 << 20)


def test_a_large_cell_is_no_error_and_python_s_own_limit_stays():
    before = csv.field_size_limit()
    cell = "line of text\n" * 100_000
    assert read(f'a,b\n1,"{cell}"\n'.encode(), 1 << 18)[1] == [("1", cell)]
    assert csv.field_size_limit() == before


def test_text_behind_a_closing_quote_is_part_of_the_cell_unless_the_reader_is_strict():
    data = b'a,b\n"x"y,2\n'
    assert read(data)[1] == [("xy", "2")]
    with pytest.raises(MaestroQADataError, match=r"line 2 has a quote within quotes.*Write a quote .* twice"):
        list(reader(data, strict=True).rows())


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("bad", [b"caf\xe9,1\n", b"x\ry,1\n", b'"never closed\n', b'"' + b"x" * 300 + b'",1\n'])
def test_all_records_before_a_faulty_line_are_given_with_their_lines(bad, size, strict, monkeypatch):
    monkeypatch.setattr(csv_reader, "MAX_CELL", 200)
    records = []
    with pytest.raises(MaestroQADataError, match="line 9 "):
        records.extend(reader(b'\na,b\n1,2\n"3\n\n",4\n\n5\n' + bad + b"6,7\n", size, strict=strict).rows())


def test_an_error_of_the_source_comes_after_the_records_before_it():
    def blocks():
        yield b"a,b\n1,2\n3,"
        raise MaestroQADataError("The stream is cut.", retryable=True)

    records = []
    with pytest.raises(MaestroQADataError, match="The stream is cut") as caught:
        records.extend(CsvReader(blocks(), "a.csv").rows())
    assert caught.value.retryable


def test_a_message_shows_no_more_than_the_beginning_of_a_cell():
    message = rejected(b"x" * 500 + b";" + b"x" * 500 + b"\n")
    assert "x" * 40 in message
    assert "x" * 41 not in message
