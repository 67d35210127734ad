"""Which store a URL opens, with which connection."""

import fsspec
import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.open import open_object, open_store

#: One that opens either cloud and asks nobody.
CONNECTION = '{"conn_type": "wasb", "login": "account", "extra": {"is_anonymous": true}}'


@pytest.fixture
def opened(monkeypatch):
    """What Airflow is asked for."""
    calls = []

    def get_fs(scheme, conn_id, storage_options=None):
        calls.append((scheme, conn_id))
        return fsspec.filesystem("memory")

    monkeypatch.setattr("airflow_provider_maestroqa._compat.get_fs", get_fs, raising=False)
    for name in ("MINE", "OTHER"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", CONNECTION)
    return calls


@pytest.mark.parametrize(
    ("url", "conn_id", "used", "root"),
    [
        ("gs://lake/raw", None, ("gs", None), "/lake/raw"),
        ("gs://mine@lake/raw/", None, ("gs", "mine"), "/lake/raw"),
        ("gs://mine@lake/raw", "other", ("gs", "other"), "/lake/raw"),
        ("abfs://mine@lake/raw", None, ("abfs", "mine"), "/lake/raw"),
        (
            "abfss://mine@lake@account.dfs.core.windows.net/raw",
            None,
            ("abfss", "mine"),
            "/lake/raw",
        ),
        ("wasbs://mine@lake@account.blob.core.windows.net/raw", None, ("abfs", "mine"), "/lake/raw"),
    ],
)
def test_a_store_is_opened_with_the_connection_that_is_named(opened, url, conn_id, used, root):
    store = open_store(url, conn_id=conn_id)
    assert opened == [used]
    assert store.root == root


def test_an_address_of_azure_stays_as_it_is_written_and_belongs_to_one_account(opened, monkeypatch):
    url = "abfss://lake@account.dfs.core.windows.net/raw"
    assert open_store(url, conn_id="mine").uri("a.csv") == f"{url}/a.csv"
    monkeypatch.setenv("AIRFLOW_CONN_MINE", '{"conn_type": "wasb", "login": "other", "password": "x"}')
    with pytest.raises(MaestroQAConfigError, match=r"names the account account, but the connection opens other"):
        open_store(url, conn_id="mine")


@pytest.mark.parametrize("url", ["gs://lake/../raw", "gs://lake/raw/..", "file:///data/./x", "gs://lake/a\nb"])
def test_no_store_leads_out_of_its_folder(opened, store, url):
    with pytest.raises(MaestroQAConfigError, match=r"a part that is \. or \.\."):
        open_store(url)
    for name in ("../x", "a/../x", "..", "."):
        with pytest.raises(MaestroQAConfigError, match=r"a part that is \. or \.\."):
            store.put_bytes(name, b"")
        with pytest.raises(MaestroQAConfigError, match=r"a part that is \. or \.\."):
            store.get_bytes(name)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/folder/", "name", "", None])
def test_an_object_needs_a_name(url):
    with pytest.raises(MaestroQAConfigError, match="names no object"):
        open_object(url)


@pytest.mark.parametrize(
    ("url", "default"),
    [
        ("gs://lake/raw", "google_cloud_default"),
        ("abfs://lake/raw", "wasb_default"),
        ("wasb://lake/raw", "wasb_default"),
    ],
)
def test_the_default_connection_of_the_provider_is_used_if_there_is_one(opened, monkeypatch, url, default):
    open_store(url)
    monkeypatch.setenv(f"AIRFLOW_CONN_{default.upper()}", CONNECTION)
    open_store(url)
    assert [conn_id for _, conn_id in opened] == [None, default]


def test_a_folder_is_opened_without_the_file_systems_of_all_providers(monkeypatch, tmp_path):
    def get_fs(*_, **__):
        raise AssertionError("importing them takes a third of a second")

    monkeypatch.setattr("airflow_provider_maestroqa._compat.get_fs", get_fs, raising=False)
    store = open_store(tmp_path.as_uri())
    assert store.is_local
    assert store.uri("a") == f"{tmp_path.as_uri()}/a"
