from __future__ import annotations

import gzip
import io
from dataclasses import dataclass

import pytest

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
)
from airflow_provider_maestroqa.client.resources.models import TICKET_METRIC
from airflow_provider_maestroqa.sources.files import detect_format, open_source
from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records
from airflow_provider_maestroqa.storage.open import LocalFile


@dataclass
class Remote:
    """A file that is not on this machine."""

    content: bytes
    announced: int | None = None
    name: str = "s3://bucket/metrics.csv"
    closed: bool = False

    def size(self):
        return self.announced

    def open(self):
        outer = self

        class Body:
            data = io.BytesIO(self.content)

            def read(self, most):
                return self.data.read(min(most, 1000))

            def close(self):
                outer.closed = True

        return Body()


def test_a_gzipped_file_is_told_by_its_first_bytes_whatever_its_name(read, metric):
    header, line, sent = metric
    for name in ("m.csv.gz", "m.csv", "m.csv.GZIP"):
        assert read(gzip.compress(header + line), name).bodies == [sent]


def test_several_gzip_streams_in_a_row_are_one_file(read, metric):
    header, line, sent = metric
    result = read(gzip.compress(header) + gzip.compress(line) + gzip.compress(line), "m.csv.gz")
    assert result.bodies == [sent, sent]


@pytest.mark.parametrize("left", [12, 200, -9, -1])
def test_a_gzip_stream_that_is_cut_is_an_error_and_no_short_file(read, metric, left):
    header, line, _ = metric
    rows = b"".join(line.replace(b"T-1", b"T-%d" % number) for number in range(500))
    with pytest.raises(MaestroQADataError, match=r"m\.csv\.gz ends in the middle: its gzip stream is cut"):
        read(gzip.compress(header + rows)[:left], "m.csv.gz")


def test_a_damaged_gzip_stream_is_told(read, metric):
    content = bytearray(gzip.compress(metric[0] + metric[1] * 300))
    content[-6] ^= 0xFF
    with pytest.raises(MaestroQADataError, match=r"m\.jsonl\.gz is damaged: its gzip stream cannot be read"):
        read(bytes(content), "m.jsonl.gz")
    with pytest.raises(MaestroQADataError, match=r"is damaged|ends in the middle"):
        read(bytes(content[:40]) + b"\xff" * 40, "m.parquet.gz")


def test_a_file_that_is_only_named_gzip_is_told(read, metric):
    with pytest.raises(MaestroQADataError, match=r"is named as a gzip file, but is none: it begins with 74 69"):
        read(metric[0], "m.csv.gz")


def test_an_empty_file_named_gzip_is_an_empty_file(read):
    assert read(b"", "m.jsonl.gz").records == []


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("a.csv", None, "csv"),
        ("a.tsv.gz", None, "csv"),
        ("a.NDJSON.gz", "", "jsonl"),
        ("a.json", None, "jsonl"),
        ("a.pq", None, "parquet"),
        ("part-0001", "csv", "csv"),
        ("a.csv", "jsonl", "jsonl"),
        ("a", "csv.gz", "csv"),
    ],
)
def test_the_name_tells_the_format_unless_the_user_does(name, asked, told):
    assert detect_format(name, asked) == told


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("part-0001", None, r"part-0001 does not show its format.*Set file_format to jsonl, csv or parquet"),
        ("a.xlsx", None, r"does not show its format"),
        ("a.csv", "excel", r"file_format must be one of jsonl, csv, parquet; got 'excel'"),
        ("a.csv", 3, r"file_format must be one of"),
    ],
)
def test_a_format_that_is_not_known_is_told(name, asked, said):
    with pytest.raises(MaestroQAConfigError, match=said):
        detect_format(name, asked)


def test_a_delimiter_is_for_csv_alone(read, metric):
    with pytest.raises(MaestroQAConfigError, match="delimiter is for CSV"):
        read(b"{}", "m.jsonl", delimiter=";")


def read_options():
    return ReadOptions.parse(TICKET_METRIC, mapping=None, timezone=None)


def test_a_file_elsewhere_is_fetched_whole_and_let_go_before_its_records_are_read(metric):
    header, line, sent = metric
    remote = Remote(header + line * 100, announced=len(header + line * 100))
    with file_records(remote, read_options()) as records:
        assert remote.closed
        found = list(records)
    assert len(found) == 100
    assert found[-1].position == "s3://bucket/metrics.csv line 101"
    assert {**sent, "timestamp": found[0].row["timestamp"]} == found[0].row


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_comes_short_or_long_is_an_error_before_any_record(metric, zipped):
    header, line, _ = metric
    content = header + line * 100
    remote = Remote(gzip.compress(content) if zipped else content)
    for announced in (len(remote.content) + 1, len(remote.content) - 1):
        remote.announced = announced
        with (
            pytest.raises(MaestroQAConnectionError, match=rf"has {announced:,} bytes, and .* came.*Nothing was sent"),
            file_records(remote, read_options()),
        ):
            pytest.fail("it was opened")
        assert remote.closed


def test_a_file_of_unknown_size_is_read_to_its_end(metric):
    header, line, _ = metric
    with file_records(Remote(header + line), read_options()) as records:
        assert len(list(records)) == 1


def test_a_file_that_is_written_to_meanwhile_is_an_error_worth_a_retry(tmp_path, metric):
    header, line, _ = metric
    path = tmp_path / "m.csv"
    path.write_bytes(header + line)
    with file_records(LocalFile(path), read_options()) as records:
        found = iter(records)
        next(found)
        with path.open("ab") as file:
            file.write(line)
        with pytest.raises(MaestroQADataError, match=r"m\.csv was written to while it was read") as caught:
            list(found)
    assert caught.value.retryable


def test_a_file_that_is_not_there_is_named(tmp_path):
    missing = LocalFile(tmp_path / "nothing.csv")
    with pytest.raises(MaestroQADataError, match=r"There is no file .*nothing\.csv"), open_source(missing):
        pytest.fail("it was opened")


def test_a_disk_that_fails_is_worth_a_retry(tmp_path, metric):
    path = tmp_path / "m.csv"
    path.write_bytes(metric[0])
    with open_source(LocalFile(path)) as file:

        def fail():
            raise OSError(5, "Input/output error")

        with pytest.raises(MaestroQADataError, match=r"m\.csv cannot be read: Input/output error") as caught:
            file.read_with(fail)
    assert caught.value.retryable
