"""Publishing to Google's and Azure's storage, on emulators with their real HTTP APIs."""

from __future__ import annotations

import pytest
from cloud_servers import (
    AZURE_KEY,
    azure_connection_string,
    azure_filesystem,
    google_filesystem,
)

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError
from airflow_provider_maestroqa.storage.base import ABSENT, StorageConflictError, StorageDeniedError, to_storage_error
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
from airflow_provider_maestroqa.storage.open import open_store

BLOCK = 4 * 2**20


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
