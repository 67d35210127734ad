"""Publishing to Google's and Azure's storage, on emulators with their real HTTP APIs."""

from __future__ import annotations

import os
import time
import zlib

import pytest
from cloud_servers import (
    AZURE_KEY,
    azure_connection_string,
    azure_filesystem,
    google_filesystem,
)

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError, MaestroQAError
from airflow_provider_maestroqa.storage.base import ABSENT, StorageConflictError, StorageDeniedError, to_storage_error
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
from airflow_provider_maestroqa.storage.open import open_store

BLOCK = 4 * 2**20
# What the file systems do, not what is done with them: bytes of a block in one piece, files that close themselves.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=["gs", "abfs"])
def scheme(request):
    return request.param


@pytest.fixture
def make_store(scheme, request):
    """Open a folder in a bucket of either cloud."""

    def make(folder="lake/raw"):
        if scheme == "gs":
            return FilesystemStore(google_filesystem(request.getfixturevalue("google_storage")), folder, "gs")
        fs = azure_filesystem(request.getfixturevalue("azure_storage"), blocksize=BLOCK)
        return FilesystemStore(fs, folder, "abfs")

    return make


def test_a_small_file_has_versions_and_is_not_replaced_by_one_who_has_not_seen_it(make_store):
    store = make_store("lake/state")
    assert store.get_versioned("task.json") == (None, ABSENT)
    first = store.put_bytes("task.json", b"1", expected=ABSENT)
    second = store.put_bytes("task.json", b"22", expected=first)
    assert first != second
    for expected in (ABSENT, first):
        with pytest.raises(StorageConflictError):
            store.put_bytes("task.json", b"333", expected=expected)
    assert store.get_versioned("task.json") == (b"22", second)
    store.delete("task.json", expected=second)
    assert not store.exists("task.json")


def test_a_bucket_that_is_not_there_is_no_passing_error(make_store):
    store = make_store("no-such-lake/raw")
    with pytest.raises(MaestroQAError) as error:
        store.put_bytes("x.json", b"1")
    assert not error.value.retryable, error.value
    assert "Check" in str(error.value)


def test_a_wrong_key_of_azure_is_a_refusal(azure_storage, monkeypatch):
    from adlfs import AzureBlobFileSystem

    wrong = azure_connection_string(azure_storage).replace(AZURE_KEY, "A" * 86 + "==")
    store = FilesystemStore(AzureBlobFileSystem(connection_string=wrong, skip_instance_cache=True), "lake/x", "abfs")
    with pytest.raises(StorageDeniedError, match="Check that the connection's credentials") as error:
        store.put_bytes("x.json", b"1")
    assert not error.value.retryable


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_google_is_a_refusal(status):
    from gcsfs.retry import validate_response

    try:
        validate_response(status, b'{"error": {"code": %d, "message": "No access"}}' % status, "b/lake/o/x")
    except Exception as error:
        told = to_storage_error("write", "gs://lake/x", error)
    assert isinstance(told, StorageDeniedError)
    assert not told.retryable


def test_a_url_without_container_is_a_clear_error():
    with pytest.raises(MaestroQAConfigError):
        open_store("abfss://@account.dfs.core.windows.net/x")


def upload(store, name, data):
    file = store.begin(name, size=len(data))
    for start in range(0, len(data), 2**20):
        file.write(data[start : start + 2**20])
    file.seal(zlib.crc32(data))
    return file


def test_a_file_of_several_blocks_has_the_right_bytes_and_appears_at_once(make_store):
    store, data = make_store(), os.urandom(2 * BLOCK + 12345)
    file = upload(store, "several.bin", data)
    assert not store.exists("several.bin")
    file.publish()
    assert store.size("several.bin") == len(data)
    with store.open("several.bin") as published:
        assert published.read() == data


def test_a_discarded_file_never_appears_and_replaces_nothing(make_store):
    store = make_store("lake/discarded")
    store.put_bytes("kept.json", b"before")
    upload(store, "kept.json", os.urandom(BLOCK + 1)).discard()
    assert store.get_bytes("kept.json") == b"before"
    assert [path.rpartition("/")[2] for path in store.fs.ls(store.root)] == ["kept.json"]


def test_azure_out_of_reach_says_so_soon(monkeypatch):
    from adlfs import AzureBlobFileSystem

    nobody = azure_connection_string("http://127.0.0.1:1")
    monkeypatch.setattr(
        "airflow_provider_maestroqa._compat.get_fs",
        lambda scheme, conn_id, options: AzureBlobFileSystem(
            connection_string=nobody, skip_instance_cache=True, **options
        ),
        raising=False,
    )
    store = open_store("abfs://lake/raw")
    assert store.fs.blocksize == BLOCK
    began = time.monotonic()
    with pytest.raises(MaestroQAConnectionError, match="out of reach"):
        store.put_bytes("x.json", b"1")
    assert time.monotonic() - began < 40
