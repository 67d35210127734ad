"""How storage URLs are read."""

from pathlib import Path

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.urls import local_path, parse_url


@pytest.mark.parametrize(
    ("url", "storage", "conn_id", "bucket", "key"),
    [
        ("s3://lake/raw/a.csv", "s3", "", "lake", "raw/a.csv"),
        ("s3a://minio@lake/a?b#c", "s3", "minio", "lake", "a?b#c"),
        ("gcs://lake", "gs", "", "lake", ""),
        ("abfs://my_conn@lake/raw", "azure", "my_conn", "lake", "raw"),
        ("abfss://lake@account.dfs.core.windows.net/raw", "azure", "", "lake@account.dfs.core.windows.net", "raw"),
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
    ("text", "path"), [("/data", "/data"), ("data", "data"), ("file:///data", "/data"), ("s3://lake/a", None)]
)
def test_a_path_on_this_machine(text, path):
    assert local_path(text) == (Path(path) if path else None)
