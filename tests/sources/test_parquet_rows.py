from __future__ import annotations

import builtins
import gzip
import io
import json
import random
import re
import struct
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.pushes.records import as_json

UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def parquet(columns, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def metrics(count=3, **changed):
    return {
        "ticket_id": [f"{number:03d}" for number in range(count)],
        "source_id": ["zendesk"] * count,
        "agent_id": ["agent-1"] * count,
        "metric_id": ["csat"] * count,
        "metric_value": [float(number) for number in range(count)],
        "timestamp": pa.array([NOON] * count, pa.timestamp("us", tz="UTC")),
        **changed,
    }


def test_rows_become_records_with_their_numbers(read):
    result = read(parquet(metrics(2500), row_group_size=700), "m.parquet")
    assert [body["ticket_id"] for body in result.bodies] == [f"{number:03d}" for number in range(2500)]
    assert result.bodies[1]["timestamp"] == "2026-01-31T12:00:00Z"
    assert (result.positions[0], result.positions[-1]) == ("m.parquet row 1", "m.parquet row 2500")


def test_a_gzipped_file_is_read_as_well(read):
    assert len(read(gzip.compress(parquet(metrics())), "m.parquet.gz").bodies) == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "+02:00", "Europe/Berlin"])
def test_timestamps_with_a_zone_keep_their_moment(read, unit, zone):
    column = pa.array([NOON] * 3, pa.timestamp(unit, tz=zone))
    result = read(parquet(metrics(timestamp=column)), "m.parquet")
    assert [body["timestamp"] for body in result.bodies] == ["2026-01-31T12:00:00Z"] * 3


FAR_TIMES = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 842, 1500, 1677, 2026, 2263, 9999)]


@pytest.mark.parametrize("nested", [False, True])
def test_the_timestamps_of_spark_keep_their_moment_in_every_year(read, nested):
    """pyarrow reads INT96 as nanoseconds unless told otherwise, and wraps silently outside 1677 to 2262."""
    times = pa.array(FAR_TIMES, pa.timestamp("us", tz="UTC"))
    columns = {
        "ticket_id": ["T"] * 7,
        "type": ["t"] * 7,
        "subject": ["s"] * 7,
        "agents": ["a"] * 7,
        "link": ["l"] * 7,
    }
    columns |= {"attributes": pa.StructArray.from_arrays([times], ["seen"])} if nested else {"last_seen": times}
    result = read(
        parquet(columns, use_deprecated_int96_timestamps=True), "t.parquet", resource="tickets", timezone="UTC"
    )
    seen = [body["attributes"]["seen"] if nested else body["last_seen"] for body in result.bodies]
    assert seen == [f"{moment.year:04d}-01-01T00:00:00Z" for moment in FAR_TIMES]


def random_moments():
    rng = random.Random(7)
    span = int((datetime.max - datetime.min).total_seconds() * 1000)
    before_1970 = int((datetime(1970, 1, 1) - datetime(1677, 9, 22)).total_seconds() * 1000)
    return [datetime.min + timedelta(milliseconds=rng.randrange(span)) for _ in range(500)] + [
        datetime(1970, 1, 1) - timedelta(milliseconds=rng.randrange(before_1970)) for _ in range(500)
    ]


def clear_to_an_older_arrow(moment):
    """What has one meaning when an Arrow before 23 wrote it as INT96: of two ranges, midnights or whole seconds."""
    if datetime(1385, 6, 9) < moment < datetime(1677, 9, 22):
        return datetime(moment.year, moment.month, moment.day)
    return moment.replace(microsecond=0) if 2262 <= moment.year <= 2554 else moment


def written_by(creator, content):
    start, end = re.search(rb"parquet-cpp-arrow version [\d.]+", content).span()
    return content[:start] + creator.ljust(end - start) + content[end:]


def int96_of_an_older_arrow(content):
    """The file as Arrow 20 would have written it: with negative times of day before 1970."""
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    column = next(group.column(i) for i in range(group.num_columns) if group.column(i).physical_type == "INT96")
    end = column.data_page_offset + column.total_compressed_size
    changed = bytearray(written_by(b"parquet-cpp-arrow version 20.0.0", content))
    for offset in range(end - 12 * group.num_rows, end, 12):
        nanoseconds, day = struct.unpack_from("<qi", changed, offset)
        if day < 2_440_588 and nanoseconds > 0:
            struct.pack_into("<qi", changed, offset, nanoseconds - 86_400 * 10**9, day + 1)
    return bytes(changed)


INT96 = {"use_deprecated_int96_timestamps": True}
PLAIN_INT96 = {**INT96, "compression": "none", "use_dictionary": False}
WRITES_NEGATIVE_TIMES = int(pa.__version__.split(".")[0]) < 23


@pytest.mark.parametrize(
    ("options", "change", "is_older"),
    [
        ({}, None, False),
        ({"coerce_timestamps": "ms"}, None, False),
        (INT96, None, WRITES_NEGATIVE_TIMES),
        (PLAIN_INT96, int96_of_an_older_arrow, True),
    ],
)
def test_random_moments_survive_every_way_in_which_parquet_writes_them(read, options, change, is_older):
    moments = random_moments()
    if is_older:
        moments = [clear_to_an_older_arrow(moment) for moment in moments]
    content = parquet(metrics(1000, timestamp=pa.array(moments, pa.timestamp("us"))), **options)
    result = read(change(content) if change else content, "m.parquet", timezone="UTC")
    assert [body["timestamp"] for body in result.bodies] == [
        f"{moment.isoformat(timespec='milliseconds').removesuffix('.000')}Z" for moment in moments
    ]


@pytest.mark.skipif(WRITES_NEGATIVE_TIMES, reason="this pyarrow cannot write what Spark writes")
@pytest.mark.parametrize("creator", [b"parquet-mr version 1.12.3", b"parquet-cpp-arrow version 23.0.0", b"impala"])
def test_random_moments_of_other_writers_are_taken_as_they_are(read, creator):
    moments = random_moments()
    content = parquet(metrics(1000, timestamp=pa.array(moments, pa.timestamp("us"))), **INT96)
    result = read(written_by(creator, content), "m.parquet", timezone="UTC")
    assert [datetime.fromisoformat(body["timestamp"][:-1]) for body in result.bodies] == moments


def test_times_before_1970_of_an_older_arrow_are_right_within_lists_and_structs(read):
    moments = [datetime(1900, 1, 1, 5), datetime(862, 1, 1, 7), datetime(1969, 12, 31, 23, 59, 59, 999_000)]
    seen = pa.array([{"at": [moment]} for moment in moments], pa.struct([("at", pa.list_(pa.timestamp("us")))]))
    names = ("ticket_id", "type", "subject", "link")
    columns = {name: ["x"] * 3 for name in names} | {"agents": ["a"] * 3, "attributes": seen}
    content = int96_of_an_older_arrow(parquet(columns, **PLAIN_INT96))
    result = read(content, "t.parquet", resource="tickets", timezone="UTC")
    assert [body["attributes"]["at"] for body in result.bodies] == [
        ["1900-01-01T05:00:00Z"],
        ["0862-01-01T07:00:00Z"],
        ["1969-12-31T23:59:59.999Z"],
    ]


def test_a_time_before_the_year_1_of_an_older_arrow_is_one_bad_record(read):
    before = -62_135_596_800_000_000 - 1
    content = parquet(metrics(timestamp=pa.array([0, before, -1_000], pa.timestamp("us"))), **PLAIN_INT96)
    result = read(int96_of_an_older_arrow(content), "m.parquet", timezone="UTC")
    assert [body["timestamp"] for body in result.bodies] == ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"]
    assert "no time between the years 1 and 9999" in result.errors["m.parquet row 2"]


FAR = 500_000_000_000_000_000


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array([0, FAR, 0], pa.timestamp("us", tz="UTC")), r"no time between the years 1 and 9999; got '17814-"),
        (pa.array([0, -FAR, 0], pa.timestamp("us", tz="UTC")), r"no time between the years 1 and 9999; got '-138"),
        (pa.array([0, 10**7, 0], pa.date32()), r"no time between the years 1 and 9999; got '29349-01-26'"),
        (
            pa.Array.from_buffers(pa.string(), 3, pa.array([b"1970-01-01", b"\xff", b"1970-01-01"]).buffers()),
            "is not UTF-8",
        ),
        (pa.array([0, 1_001, 0], pa.timestamp("ns", tz="UTC")), None),
        (pa.array([[0], [FAR], [0]], pa.list_(pa.timestamp("us", tz="UTC"))), r"no time|cannot be read"),
        (
            pa.array([{"a": [0]}, {"a": [FAR]}, {"a": [1]}], pa.struct([("a", pa.list_(pa.timestamp("us")))])),
            r"no time|cannot",
        ),
    ],
)
def test_a_value_that_python_cannot_hold_is_one_bad_record(read, column, problem):
    field = "timestamp" if column.type.num_fields == 0 else "metric_id"
    result = read(parquet(metrics(**{field: column})), "m.parquet", timezone="UTC")
    errors = {"m.parquet row 2"} if problem else set()
    if field == "timestamp":
        assert set(result.errors) == errors
    for position in errors:
        assert re.match(rf"{field} .*({problem})", result.errors[position])
        json.loads(as_json(result.records[1].row))


def test_timestamps_without_a_zone_need_one_to_be_named(read):
    content = parquet(metrics(timestamp=pa.array([datetime(2026, 1, 31, 13)] * 3, pa.timestamp("ns"))))
    result = read(content, "m.parquet")
    assert set(result.errors) == {f"m.parquet row {number}" for number in (1, 2, 3)}
    assert "timestamp has no time zone" in result.errors["m.parquet row 1"]
    named = read(content, "m.parquet", timezone="Europe/Berlin")
    assert named.bodies[0]["timestamp"] == "2026-01-31T12:00:00Z"


def test_the_types_of_parquet_become_those_of_the_fields(read):
    columns = {
        "ticket_id": pa.array([17, 18], pa.uint64()),
        "type": pa.array(["chat", "mail"]).dictionary_encode(),
        "subject": pa.array([date(2026, 1, 31), None], pa.date32()),
        "agents": pa.array([["a", "b"], ["c"]], pa.list_(pa.string())),
        "link": pa.array(["l", "l"], pa.large_string()),
        "csat_score": pa.array([Decimal("4.50"), None], pa.decimal128(5, 2)),
        "last_seen": pa.array([NOON, None], pa.timestamp("ms", tz="UTC")),
        "tags": pa.array([["x", "y"], None]),
        "attributes": pa.array([{"group": "g", "n": 1}, None]),
        "body": pa.nulls(2),
    }
    result = read(parquet(columns), "t.parquet", resource="tickets")
    assert result.bodies == [
        {
            "ticket_id": "17",
            "type": "chat",
            "subject": "2026-01-31",
            "agents": ["a", "b"],
            "link": "l",
            "csat_score": 4.5,
            "last_seen": "2026-01-31T12:00:00Z",
            "tags": "x,y",
            "attributes": {"group": "g", "n": 1},
        }
    ]
    assert result.errors == {"t.parquet row 2": "subject is missing, which every ticket needs"}


def test_a_uuid_becomes_its_text(read):
    ids = [uuid.UUID(int=number) for number in range(3)]
    try:
        column = pa.array([one.bytes for one in ids], pa.uuid())
    except AttributeError:
        pytest.skip("this pyarrow has no UUIDs")
    result = read(parquet(metrics(ticket_id=column)), "m.parquet")
    assert [body["ticket_id"] for body in result.bodies] == [str(one) for one in ids]


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (pa.array([b"x"] * 3, pa.binary()), "binary"),
        (pa.array([b"x"] * 3, pa.binary(1)), r"fixed_size_binary\[1\]"),
        (pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())), r"map<string, int64"),
        (pa.array([1] * 3, pa.duration("s")), r"duration\[s\]"),
        (pa.array([1] * 3, pa.time32("ms")), r"time32\[ms\]"),
        (pa.array([[b"x"]] * 3, pa.list_(pa.binary())), r"binary within list<"),
        (pa.array([{"a": [b"x"]}] * 3, pa.struct([("a", pa.list_(pa.binary()))])), r"binary within struct<"),
    ],
)
def test_a_type_that_json_cannot_hold_is_refused_with_its_column(read, column, named):
    content = parquet(metrics(ticket_id=column))
    with pytest.raises(
        MaestroQADataError,
        match=rf"m\.parquet: the column 'ticket_id' is of the Parquet type {named}.*JSON cannot hold",
    ):
        read(content, "m.parquet")


def test_a_column_that_is_not_mapped_may_be_of_any_type(read):
    mapping = {name: name for name in metrics()}
    content = parquet(metrics(blob=pa.array([b"x"] * 3)))
    assert len(read(content, "m.parquet", mapping=mapping).bodies) == 3


def test_constants_alone_still_make_a_record_of_each_row(read):
    mapping = {name: {"value": "1"} for name in metrics()} | {"timestamp": {"value": "2026-01-31T00:00:00Z"}}
    assert len(read(parquet(metrics(4)), "m.parquet", mapping=mapping).bodies) == 4


def test_the_columns_are_found_in_other_case_and_missing_ones_named(read):
    upper = {name.upper(): column for name, column in metrics().items()}
    assert len(read(parquet(upper), "m.parquet").bodies) == 3
    mapping = {**{name: name for name in metrics()}, "ticket_id": "id"}
    with pytest.raises(MaestroQADataError, match=r"no column 'id'.* It has: 'TICKET_ID', 'SOURCE_ID'"):
        read(parquet(upper), "m.parquet", mapping=mapping)


def test_a_column_that_comes_twice_is_refused_when_it_is_used(read):
    table = pa.table([*list(metrics().values()), ["x"] * 3], names=[*metrics(), "ticket_id"])
    sink = io.BytesIO()
    pq.write_table(table, sink)
    with pytest.raises(MaestroQADataError, match="more than one column is ticket_id"):
        read(sink.getvalue(), "m.parquet")


def test_no_rows_are_no_records(read):
    assert read(parquet(metrics(0)), "m.parquet").records == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"ticket_id,source_id\n" * 9, parquet(metrics())[:-5]])
def test_what_is_no_parquet_file_or_is_cut_is_told(read, content):
    with pytest.raises(MaestroQADataError, match=r"m\.parquet is no Parquet file"):
        read(content, "m.parquet")


def test_a_damaged_page_is_told_after_the_rows_before_it(read):
    content = bytearray(parquet(metrics(3000), row_group_size=1000, compression="snappy"))
    middle = len(content) // 2
    content[middle - 2000 : middle + 2000] = b"\xff" * 4000
    with pytest.raises(MaestroQADataError, match=r"m\.parquet cannot be read after row \d+"):
        read(bytes(content), "m.parquet")


def test_the_number_of_rows_is_known_beforehand(tmp_path):
    from airflow_provider_maestroqa.client.resources.models import TICKET_METRIC
    from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records
    from airflow_provider_maestroqa.storage.open import LocalFile

    (tmp_path / "m.parquet").write_bytes(parquet(metrics(7)))
    read_options = ReadOptions.parse(TICKET_METRIC, mapping=None, timezone=None)
    with file_records(LocalFile(tmp_path / "m.parquet"), read_options) as records:
        assert len(records) == 7


def test_without_pyarrow_the_extra_is_named(read, monkeypatch):
    real = builtins.__import__

    def no_pyarrow(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    content = parquet(metrics())
    monkeypatch.setattr(builtins, "__import__", no_pyarrow)
    with pytest.raises(MaestroQAConfigError, match=r"pip install 'airflow-provider-maestroqa\[parquet\]'"):
        read(content, "m.parquet")
