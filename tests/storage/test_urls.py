"""How storage URLs are read."""

from pathlib import Path

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.urls import local_path, parse_url

ARN = "arn:aws:s3:eu-west-1:123456789012:accesspoint/lake"
OUTPOST = "arn:aws-us-gov:s3-outposts:us-gov-west-1:123456789012:outpost/op-1/accesspoint/lake"


@pytest.mark.parametrize(
    ("url", "storage", "conn_id", "bucket", "key"),
    [
        ("s3://lake/raw/a.csv", "s3", "", "lake", "raw/a.csv"),
        ("s3a://minio@lake/a?b#c", "s3", "minio", "lake", "a?b#c"),
        ("gcs://lake", "gs", "", "lake", ""),
        ("abfs://my_conn@lake/raw", "azure", "my_conn", "lake", "raw"),
        ("abfss://lake@account.dfs.core.windows.net/raw", "azure", "", "lake@account.dfs.core.windows.net", "raw"),
        (
            "wasbs://mine@lake@account.blob.core.windows.net/raw",
            "azure",
            "mine",
            "lake@account.blob.core.windows.net",
            "raw",
        ),
        (f"s3://{ARN}/raw/a", "s3", "", ARN, "raw/a"),
        (f"s3://mine@{OUTPOST}", "s3", "mine", OUTPOST, ""),
        ("file:///data/raw", "file", "", "", "data/raw"),
        ("sftp://me@host/raw", "sftp", "me", "host", "raw"),
    ],
)
def test_the_parts_of_a_url(url, storage, conn_id, bucket, key):
    parts = parse_url(url)
    assert (parts.storage, parts.conn_id, parts.bucket, parts.key) == (storage, conn_id, bucket, key)


@pytest.mark.parametrize("text", ["", "/data", "lake/raw", None, 7])
def test_what_is_not_a_url_is_rejected(text):
    with pytest.raises(MaestroQAConfigError, match="is not a storage URL"):
        parse_url(text)


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://account.blob.core.windows.net/lake/raw", "abfss://container@account.dfs.core.windows.net/folder"),
        ("abfss://account.dfs.core.windows.net/lake", "abfss://container@account.dfs.core.windows.net/folder"),
        ("https://storage.googleapis.com/lake/raw", "gs://bucket/folder"),
        ("https://lake.s3.eu-west-1.amazonaws.com/raw", "s3://bucket/folder"),
        ("http://me:secret@example.org/raw", "file:///folder"),
        ("s3://arn:aws:s3:eu-west-1:1:bucket/x", "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/name/key"),
    ],
)
def test_an_address_in_another_form_is_rejected_with_the_right_one(url, right):
    with pytest.raises(MaestroQAConfigError) as caught:
        parse_url(url)
    assert right in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path"), [("/data", "/data"), ("data", "data"), ("file:///data", "/data"), ("s3://lake/a", None)]
)
def test_a_path_on_this_machine(text, path):
    assert local_path(text) == (Path(path) if path else None)
