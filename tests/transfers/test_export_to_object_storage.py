from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
import sys
import zipfile
import zlib
from io import BytesIO, StringIO
from unittest import mock

import pytest
from airflow import DAG

from airflow_provider_maestroqa._compat import AirflowFailException, AirflowSkipException
from airflow_provider_maestroqa.client.errors import MaestroQAError, MaestroQAExportTimeoutError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.storage.open import open_object
from airflow_provider_maestroqa.storage.s3_store import S3Store
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

GET = "/api/v1/get-export-data"
BUCKET = "my-data-lake"
RAW_FILES = {"total_scores.csv", "section_scores.csv", "individual_answers.csv", "annotations.csv", "csat.csv"}


@pytest.fixture
def make_export(connection, sandbox):
    """Ask for an export and wait until it is complete."""

    def make(**options):
        with MaestroQAHook() as hook:
            export_id = hook.request_raw_export("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", **options)
            while not hook.get_export(export_id).is_complete:
                pass
        return export_id

    return make


def to_s3(export_id, **changes):
    arguments = {"s3_bucket": BUCKET, "s3_prefix": "raw", **changes}
    return MaestroQAExportToS3Operator(task_id="land", export_id=export_id, **arguments)


def objects(s3):
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {item["Key"]: s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in listed}


def test_an_export_lands_in_s3_as_gzipped_files_and_a_manifest(make_export, sandbox, s3):
    export_id = make_export()
    manifest = to_s3(export_id, count_rows=True).execute({})
    stored = objects(s3)
    assert set(stored) == {f"raw/{name}.gz" for name in RAW_FILES} | {"raw/_manifest.json"}
    assert json.loads(stored["raw/_manifest.json"]) == manifest
    assert manifest["export_id"] == export_id
    assert manifest["has_data"] is True
    assert manifest["manifest"] == f"s3://{BUCKET}/raw/_manifest.json"
    truth = sandbox.exports[export_id].files
    for file in manifest["files"]:
        body = stored[file["uri"].removeprefix(f"s3://{BUCKET}/")]
        content = gzip.decompress(body)
        true = truth[file["name"].removesuffix(".gz")]
        assert hashlib.sha256(content).hexdigest() == true.sha256
        assert file["rows"] == true.rows
        assert file["bytes"] == len(body)
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
        assert file["content_bytes"] == len(content)
        assert file["crc32"] == f"{zlib.crc32(content):08x}"


def test_a_folder_gets_the_same_files(make_export, sandbox, tmp_path):
    export_id = make_export()
    manifest = MaestroQAExportToObjectStorageOperator(
        task_id="land", export_id=export_id, destination=f"file://{tmp_path}/landed", file_format="csv"
    ).execute({})
    truth = sandbox.exports[export_id].files
    landed = {path.name: path.read_bytes() for path in (tmp_path / "landed").iterdir()}
    assert set(landed) == RAW_FILES | {"_manifest.json"}
    assert {name: hashlib.sha256(landed[name]).hexdigest() for name in RAW_FILES} == {
        name: truth[name].sha256 for name in RAW_FILES
    }
    assert "rows" not in manifest["files"][0]


def test_object_storage_takes_an_s3_url_too(make_export, s3):
    MaestroQAExportToObjectStorageOperator(
        task_id="land",
        export_id=make_export(),
        destination=f"s3://aws_default@{BUCKET}/some/where",
        file_format="zip",
    ).execute({})
    stored = objects(s3)
    assert set(stored) == {"some/where/export.zip", "some/where/_manifest.json"}
    with zipfile.ZipFile(BytesIO(stored["some/where/export.zip"])) as archive:
        assert set(archive.namelist()) == RAW_FILES


@pytest.mark.parametrize(
    ("file_format", "name"), [("csv.gz", "export.csv.gz"), ("csv", "export.csv"), ("zip", "export.csv")]
)
def test_a_single_file_lands_alone(make_export, sandbox, s3, file_format, name):
    export_id = make_export(single_file_export="csat")
    manifest = to_s3(export_id, file_format=file_format, count_rows=True).execute({})
    assert [file["name"] for file in manifest["files"]] == [name]
    assert manifest["files"][0]["rows"] == sandbox.exports[export_id].files["csat.csv"].rows


def records_of(body):
    return list(csv.DictReader(StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("clean", [True, "true"])
def test_a_cleaned_export_lands_in_s3_with_its_columns_keys_and_nulls(make_export, sandbox, s3, clean):
    export_id = make_export()
    manifest = to_s3(export_id, clean=clean).execute({})
    stored = objects(s3)
    assert json.loads(stored["raw/_manifest.json"]) == manifest
    to_s3(export_id, s3_prefix="plain", file_format="csv").execute({})
    plain = objects(s3)
    for file in manifest["files"]:
        cleaned = records_of(gzip.decompress(stored[f"raw/{file['name']}"]))
        as_it_was = records_of(plain[f"plain/{file['name'].removesuffix('.gz')}"])
        assert len(cleaned) == file["rows"] == sandbox.exports[export_id].files[file["name"][:-3]].rows
        assert list(cleaned[0]) == list(as_it_was[0]) == file["columns"]
        assert set(file["natural_key"]) < set(file["columns"])
        for column in file["columns"]:
            cells = [record[column] for record in cleaned]
            assert cells.count("") == file["null_counts"][column]
            assert not any(cell == "Unknown" or cell.startswith('="') for cell in cells)
            if column == "comment":
                assert cells == ["" if record[column] == "Unknown" else record[column] for record in as_it_was]
            elif column == "date_graded":
                assert cells == [
                    re.sub(r'="(\S+) (\S+?)(\.000)?"', r"\1T\2Z", record[column]) for record in as_it_was
                ]


def test_a_cleaned_export_lands_in_a_folder_as_parquet(make_export, sandbox, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export_id = make_export()
    manifest = MaestroQAExportToObjectStorageOperator(
        task_id="land",
        export_id=export_id,
        destination=f"file://{tmp_path}/landed",
        file_format="parquet",
        count_rows=True,
    ).execute({})
    assert {file["name"] for file in manifest["files"]} == {name.replace(".csv", ".parquet") for name in RAW_FILES}
    for file in manifest["files"]:
        table = parquet.read_table(tmp_path / "landed" / file["name"])
        assert table.num_rows == file["rows"] == sandbox.exports[export_id].files[f"{file['name'][:-8]}.csv"].rows
        assert table.column_names == file["columns"]
        assert str(table.schema.field("ticket_created_at").type) == "timestamp[us, tz=UTC]"
        assert str(table.schema.field("gradable_id").type) == "string"
        assert {name: table[name].null_count for name in table.column_names} == file["null_counts"]


def test_parquet_lands_in_s3_under_its_own_type(make_export, s3):
    pytest.importorskip("pyarrow")
    manifest = to_s3(make_export(single_file_export="csat"), file_format="parquet").execute({})
    assert [file["name"] for file in manifest["files"]] == ["export.parquet"]
    head = s3.head_object(Bucket=BUCKET, Key="raw/export.parquet")
    assert head["ContentType"] == "application/vnd.apache.parquet"
    assert head["ContentLength"] == manifest["files"][0]["bytes"] == manifest["files"][0]["content_bytes"]


@pytest.mark.parametrize("kind", ["corrupt", "truncated"])
@pytest.mark.parametrize("file_format", ["csv.gz", "parquet"])
def test_a_damaged_archive_is_never_cleaned_into_view(make_export, sandbox, s3, kind, file_format):
    export_id = make_export()
    sandbox.fault(kind=kind)
    with pytest.raises(MaestroQAError):
        to_s3(export_id, file_format=file_format, clean=True).execute({})
    assert objects(s3) == {}
    assert len(to_s3(export_id, file_format=file_format, clean=True).execute({})["files"]) == len(RAW_FILES)


def test_cleaning_again_changes_nothing_and_the_plain_files_replace_the_cleaned_ones(make_export, sandbox, s3):
    export_id = make_export()
    first = to_s3(export_id, clean=True).execute({})
    asked = len(sandbox.requests)
    assert to_s3(export_id, clean=True).execute({}) == first
    assert len(sandbox.requests) == asked
    plain = to_s3(export_id).execute({})
    assert not any("columns" in file for file in plain["files"])
    assert json.loads(objects(s3)["raw/_manifest.json"]) == plain


def test_running_again_changes_nothing_and_asks_for_nothing(make_export, sandbox, s3):
    export_id = make_export()
    first = to_s3(export_id).execute({})
    before, asked = objects(s3), len(sandbox.requests)
    assert to_s3(export_id).execute({}) == first
    assert objects(s3) == before
    assert len(sandbox.requests) == asked


def test_a_storage_url_is_asked_for_once_and_never_sees_the_token(make_export, sandbox, s3):
    export_id = make_export()
    asked = sandbox.count("GET", GET)
    to_s3(export_id).execute({})
    assert sandbox.count("GET", GET) == asked + 1
    to_storage = [seen for seen in sandbox.requests if seen.host == "storage"]
    assert to_storage
    assert not any(sandbox.token in str(seen.headers) or "apitoken" in seen.headers for seen in to_storage)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "expired_url"},
        {"kind": "expire_after_bytes", "at": 3000},
        {"kind": "no_length"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_download_that_breaks_goes_on(make_export, sandbox, s3, fault):
    export_id = make_export()
    sandbox.fault(**fault)
    manifest = to_s3(export_id).execute({})
    assert {file["name"] for file in manifest["files"]} == {f"{name}.gz" for name in RAW_FILES}


@pytest.mark.parametrize("kind", ["html_200", "xml_200", "empty_file", "corrupt", "truncated"])
def test_a_file_that_is_not_what_it_should_be_leaves_nothing(make_export, sandbox, s3, kind):
    export_id = make_export()
    sandbox.fault(kind=kind, times=None)
    with pytest.raises((MaestroQAError, AirflowFailException)):
        to_s3(export_id).execute({})
    assert objects(s3) == {}
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_the_manifest_is_read_once_before_the_landing_and_once_after(make_export, s3):
    export_id = make_export()
    with mock.patch.object(S3Store, "get_versioned", autospec=True, side_effect=S3Store.get_versioned) as read:
        to_s3(export_id).execute({})
    assert [call.args[1:] for call in read.call_args_list] == [("_manifest.json",)] * 2


def test_extra_arguments_of_the_connection_and_of_the_task_reach_s3(make_export, s3, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    connection["extra"]["s3_extra_args"] = {"ServerSideEncryption": "AES256", "RequestPayer": "requester"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    export_id = make_export()
    to_s3(export_id, s3_extra_args='{"ServerSideEncryption": "aws:kms"}').execute({})
    MaestroQAExportToObjectStorageOperator(
        task_id="land", export_id=export_id, destination=f"s3://{BUCKET}/other"
    ).execute({})
    used = {
        key.partition("/")[0]: s3.head_object(Bucket=BUCKET, Key=key)["ServerSideEncryption"] for key in objects(s3)
    }
    assert used == {"raw": "aws:kms", "other": "AES256"}
    open_object(f"s3://{BUCKET}/state.json").write(b"{}")
    assert s3.head_object(Bucket=BUCKET, Key="state.json")["ServerSideEncryption"] == "AES256"
    for wrong in ("[1]", "text", {"Bucket": "other"}):
        with pytest.raises(AirflowFailException, match="s3_extra_args"):
            to_s3(export_id, s3_extra_args=wrong).execute({})


@pytest.mark.parametrize("export_id", ["../../x", "a/b", "..", "x\ny", "x" * 300])
def test_an_id_that_would_lead_out_of_the_destination_is_rejected(connection, s3, export_id):
    with pytest.raises(AirflowFailException, match="export_id must have letters"):
        to_s3(export_id, s3_prefix=f"raw/{export_id}").execute({})
    assert objects(s3) == {}


class TestNoData:
    """An export that is complete and holds nothing."""

    @pytest.fixture
    def empty(self, make_export, sandbox):
        sandbox.fault(kind="no_data")
        return make_export()

    def test_it_succeeds_with_an_empty_manifest(self, empty, s3):
        manifest = to_s3(empty).execute({})
        assert (manifest["has_data"], manifest["files"]) == (False, [])
        assert list(objects(s3)) == ["raw/_manifest.json"]
        with mock.patch.object(S3Store, "put_bytes", side_effect=AssertionError):
            assert to_s3(empty).execute({}) == manifest

    def test_it_skips_when_asked_to(self, empty, s3):
        with pytest.raises(AirflowSkipException):
            to_s3(empty, on_no_data="skip").execute({})
        assert objects(s3) == {}

    def test_it_fails_when_asked_to(self, empty, s3):
        with pytest.raises(AirflowFailException, match="on_no_data"):
            to_s3(empty, on_no_data="fail").execute({})
        assert objects(s3) == {}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"file_format": "xlsx"}, "file_format must be one of csv.gz, csv, zip, parquet"),
        ({"file_format": "zip", "clean": True}, "clean=True and file_format='zip' exclude each other"),
        ({"file_format": "zip", "clean": "true"}, "clean=True and file_format='zip' exclude each other"),
        ({"clean": "perhaps"}, "clean must be True or False"),
        ({"count_rows": "maybe"}, "count_rows must be True or False"),
        ({"on_no_data": "ignore"}, "on_no_data must be one of succeed, skip, fail"),
        ({"export_id": "None"}, "export_id must be text that is not empty"),
        ({"s3_bucket": "s3://my-data-lake"}, "s3_bucket must be a bucket's name"),
        ({"s3_bucket": None}, "s3_bucket must be a bucket's name"),
    ],
)
def test_bad_input_fails_at_once_names_the_field_and_spends_no_request(connection, sandbox, s3, changes, named):
    arguments = {"task_id": "land", "export_id": "e1", "s3_bucket": BUCKET, "s3_prefix": "raw", **changes}
    with pytest.raises(AirflowFailException, match=named):
        MaestroQAExportToS3Operator(**arguments).execute({})
    assert sandbox.requests == []


def test_a_prefix_that_native_rendering_makes_a_number_is_its_digits(make_export, s3):
    with DAG("d", schedule=None, render_template_as_native_obj=True):
        task = to_s3("{{ params.id }}", s3_prefix="{{ params.day }}")
    task.render_template_fields({"params": {"id": make_export(), "day": "20260131"}})
    assert task.s3_prefix == 20260131
    task.execute({})
    assert "20260131/_manifest.json" in objects(s3)


def test_parquet_without_pyarrow_names_the_extra_and_spends_no_request(connection, sandbox, s3, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(AirflowFailException, match=r"airflow-provider-maestroqa\[parquet\]"):
        to_s3("e1", file_format="parquet").execute({})
    assert sandbox.requests == []


@pytest.mark.parametrize("destination", ["/tmp/landed", "bucket/prefix", "", None, "martian://bucket/x"])
def test_a_destination_that_is_no_storage_url_is_refused_before_a_request(connection, sandbox, destination):
    with pytest.raises(AirflowFailException, match=r"storage URL|cannot be opened"):
        MaestroQAExportToObjectStorageOperator(task_id="land", export_id="e1", destination=destination).execute({})
    assert sandbox.requests == []


def test_an_export_that_is_not_complete_says_what_to_put_before(connection, sandbox, s3):
    with MaestroQAHook() as hook:
        export_id = hook.request_groups_export()
    with pytest.raises(MaestroQAExportTimeoutError, match="MaestroQAExportSensor"):
        to_s3(export_id).execute({})


def test_a_bucket_that_is_not_there_is_named(make_export, s3):
    with pytest.raises(AirflowFailException, match="no-such-bucket"):
        MaestroQAExportToS3Operator(
            task_id="land", export_id=make_export(), s3_bucket="no-such-bucket", s3_prefix="raw"
        ).execute({})
