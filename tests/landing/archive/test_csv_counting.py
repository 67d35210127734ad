"""How many records a CSV file has."""

import csv
import io
import itertools
import random

import pytest

from airflow_provider_maestroqa.landing.archive.csv_counting import RecordCounter, count_exactly


def count_rows(data, *cuts):
    counter = RecordCounter()
    edges = [0, *cuts, len(data)]
    for start, end in itertools.pairwise(edges):
        counter.add(data[start:end])
    assert counter.is_sure
    return counter.rows


CASES = {
    b"": 0,
    b"\xef\xbb\xbf": 0,
    b"a,b": 0,
    b"a,b\n": 0,
    b"a,b\n1,2": 1,
    b"a,b\n1,2\n": 1,
    b"a,b\r\n1,2\r\n3,4\r\n": 2,
    b"\xef\xbb\xbfa,b\n1,2\n": 1,
    b'\xef\xbb\xbf"a",b\n1,2\n': 1,
    b'a,b\n1,"x\ny"\n2,z\n': 2,
    b'a,b\r\n1,"x\r\n\r\ny"\r\n': 1,
    b'a\n"x\n\n\ny"\n': 1,
    b'a\n"she said ""no""\n""yes"""\n2\n': 2,
    b'a\n""""\n"\n"\n': 2,
    b'a\n""\n""\n': 2,
    b"a\n\n1\n\n\n2\n\n": 2,
    b"a\r\n\r\n1\r\n\r\n": 1,
    b"\n\na\n1\n": 1,
    b"a\n1\n\n": 1,
    b'a\n="01"\n': 1,
    b"\n": 0,
    b"\r\n\r\n": 0,
    "a\nお客様\n😀\n".encode(): 2,
    b'a\n"unquoted end': 1,
}


@pytest.mark.parametrize("data", [case for case in CASES if b"unquoted" not in case])
def test_records_are_counted_wherever_the_file_is_cut(data):
    assert count_rows(data) == CASES[data]
    for first in range(len(data) + 1):
        assert count_rows(data, first) == CASES[data], first
    assert count_rows(data, *range(1, len(data))) == CASES[data]


@pytest.mark.parametrize("seed", range(40))
def test_the_count_is_that_of_python_s_own_reader(seed):
    chance = random.Random(seed)
    text = io.StringIO()
    if seed % 3 == 0:
        text.write("\ufeff")
    ends = chance.choice(["\n", "\r\n"])
    writer = csv.writer(text, lineterminator=ends, quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    cells = ["", "x", '"', '""', "\n", "\r\n", "\n\n", 'a"b', '=""1""', ",", "é", "長い", "\n\r\n", 'x\n"y"\n']
    for _ in range(chance.randrange(60)):
        if chance.random() < 0.2:
            text.write(ends)
        writer.writerow(["".join(chance.choices(cells, k=2)) for _ in range(3)])
    data = text.getvalue().encode()
    expected = max(
        0, sum(1 for row in csv.reader(io.StringIO(text.getvalue().removeprefix("\ufeff"), newline="")) if row) - 1
    )
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(5))
    assert count_rows(data, *cuts) == expected
    assert count_exactly([data[i : i + 7] for i in range(0, len(data), 7)]) == expected


def test_quotes_that_do_not_add_up_are_noticed():
    counter = RecordCounter()
    counter.add(b'a\nscreen 5" wide\nnext\n')
    assert not counter.is_sure
    assert count_exactly([b'a\nscreen 5" wide\nnext\n']) == 2


def test_a_stray_quote_is_counted_right_in_a_landing(land, memory, origin):
    origin.body = b'a\nscreen 5" wide\nnext\n'
    assert land(memory, count_rows=True)["files"][0]["rows"] == 2


def test_records_of_cells_larger_than_python_s_limit_are_counted():
    assert count_exactly([b'a\n"', b"x" * 200_000, b'"\n', b'2 "\n']) == 2
