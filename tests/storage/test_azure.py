"""The ways to write a connection to Azure's storage: what is made of each, and that Azurite takes it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from cloud_servers import AZURE_ACCOUNT, AZURE_KEY, azure_connection_string

from airflow_provider_maestroqa._compat import Connection
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.azure import azure_options
from airflow_provider_maestroqa.storage.open import open_object
from airflow_provider_maestroqa.storage.urls import parse_url

ANY = parse_url("abfs://lake/raw")
HOST = "https://acct.blob.core.windows.net"
KEY = f"BlobEndpoint={HOST};AccountName=acct;AccountKey=k=="
SAS = f"BlobEndpoint={HOST};AccountName=acct;SharedAccessSignature=sv=1&sig=x"
APPLICATION = {"host": HOST, "login": "app", "password": "s3cret", "extra": {"tenant_id": "t"}}
PRINCIPAL = {"account_name": "acct", "client_id": "app", "client_secret": "s3cret"}


def connection(conn_type="wasb", *, extra=None, **fields):
    return Connection(conn_id="my_azure", conn_type=conn_type, extra=json.dumps(extra or {}), **fields)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"login": "acct", "password": "k=="}, {"connection_string": KEY}),
        ({"host": HOST, "password": "k=="}, {"connection_string": KEY}),
        ({"host": "acct.blob.core.windows.net", "password": "k=="}, {"connection_string": KEY}),
        ({"host": "https://acct.dfs.core.windows.net/", "password": "k=="}, {"connection_string": KEY}),
        ({"login": "acct", "extra": {"shared_access_key": "k=="}}, {"connection_string": KEY}),
        ({"login": "acct", "extra": {"account_key": "k=="}}, {"connection_string": KEY}),
        ({"extra": {"account_name": "acct", "account_key": "k=="}}, {"connection_string": KEY}),
        ({"login": "acct", "extra": {"extra__wasb__shared_access_key": "k=="}}, {"connection_string": KEY}),
        ({"login": "acct", "extra": {"sas_token": "?sv=1&sig=x"}}, {"connection_string": SAS}),
        ({"login": "acct", "password": "k==", "extra": {"sas_token": "sv=1&sig=x"}}, {"connection_string": SAS}),
        ({"extra": {"sas_token": f"{HOST}/?sv=1&sig=x"}}, {"connection_string": SAS}),
        ({"extra": {"connection_string": KEY}}, {}),
        ({"login": "acct"}, {"account_name": "acct"}),
        ({"host": HOST, "extra": {"managed_identity_client_id": "m"}}, {"account_name": "acct"}),
        (
            {"host": "https://acct.blob.core.chinacloudapi.cn"},
            {"account_name": "acct", "account_host": "acct.blob.core.chinacloudapi.cn"},
        ),
        (APPLICATION, PRINCIPAL),
        ({**APPLICATION, "conn_type": "adls"}, PRINCIPAL),
    ],
)  # fmt: skip
def test_a_connection_is_read_as_airflows_hooks_read_it(fields, options):
    assert azure_options(connection(**fields), ANY) == options


def test_the_account_may_stand_in_the_url_or_in_the_environment(monkeypatch):
    url = parse_url("abfss://lake@acct.dfs.core.windows.net/raw")
    assert azure_options(connection(password="k=="), url) == {"connection_string": KEY}
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acct")
    assert azure_options(connection(), ANY) == {"account_name": "acct"}
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", KEY)
    assert azure_options(connection(), ANY) == {}


@pytest.mark.parametrize(
    ("fields", "url", "message"),
    [
        ({}, "abfs://lake/raw", "names no storage account. Write it as host"),
        ({"conn_type": "azure_data_lake", "extra": {"tenant": "t"}}, "adl://lake/raw", "Data Lake Gen1. Create one"),
        ({"host": HOST, "login": "app", "extra": {"tenant_id": "t"}}, "abfs://lake/raw", "application's secret"),
        (
            {"login": "acct", "password": "k=="},
            "abfss://lake@mine.dfs.core.windows.net/x",
            "the connection opens acct",
        ),
        ({"extra": {"connection_string": KEY}}, "abfss://lake@mine.dfs.core.windows.net/x", "opens acct. Pass"),
    ],
)
def test_a_connection_that_cannot_be_used_is_a_clear_error(fields, url, message):
    with pytest.raises(MaestroQAConfigError, match=message) as error:
        azure_options(connection(**fields), parse_url(url))
    assert "k==" not in str(error.value)


def sas_of(server):
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    return generate_account_sas(
        AZURE_ACCOUNT,
        AZURE_KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True, add=True),
        datetime.now(timezone.utc) + timedelta(hours=1),
    )


WAYS = {
    "connection string": lambda server, host, sas: {"extra": {"connection_string": azure_connection_string(server)}},
    "login and key": lambda server, host, sas: {"host": host, "login": AZURE_ACCOUNT, "password": AZURE_KEY},
    "shared_access_key": lambda server, host, sas: {"host": host, "extra": {"shared_access_key": AZURE_KEY}},
    "account_key": lambda server, host, sas: {"host": host, "extra": {"account_key": AZURE_KEY}},
    "SAS": lambda server, host, sas: {"host": host, "extra": {"sas_token": sas}},
    "SAS in a URL": lambda server, host, sas: {"extra": {"sas_token": f"{host}?{sas}"}},
    "adls": lambda server, host, sas: {
        "conn_type": "adls", "host": host, "login": AZURE_ACCOUNT, "password": AZURE_KEY
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_azurite_takes_each_way_that_needs_no_directory(azure_storage, airflow_filesystems, monkeypatch, way):
    host = f"{azure_storage.url}/{AZURE_ACCOUNT}"
    fields = {"conn_type": "wasb", **WAYS[way](azure_storage, host, sas_of(azure_storage))}
    monkeypatch.setenv("AIRFLOW_CONN_MY_AZURE", json.dumps(fields))
    stored = open_object("abfs://my_azure@lake/ways/x.json")
    stored.write(b"1")
    assert stored.read() == b"1"
    stored.delete()
    assert stored.store.fs.blocksize == 4 * 2**20


@pytest.mark.parametrize(
    ("extra", "credential"),
    [
        ({"tenant_id": "t"}, "ClientSecretCredential"),
        ({"tenant_id": "t", "client_secret_auth_config": {"authority": "login.example"}}, "ClientSecretCredential"),
        ({"managed_identity_client_id": "m", "workload_identity_tenant_id": "t"}, "DefaultAzureCredential"),
        ({}, "DefaultAzureCredential"),
    ],
)
def test_the_ways_that_need_a_directory_open_the_account_with_a_credential_that_can_wait(
    airflow_filesystems, monkeypatch, extra, credential
):
    principal = {"login": "app", "password": "s3cret"} if "tenant_id" in extra else {}
    fields = {"conn_type": "wasb", "host": HOST, **principal, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MY_AZURE", json.dumps(fields))
    fs = open_object("abfs://my_azure@lake/x.json").store.fs
    assert fs.service_client.url.rstrip("/") == HOST
    assert type(fs.credential).__name__ == credential
    assert type(fs.credential).__module__.startswith("azure.identity.aio")


def test_without_a_connection_the_account_of_the_url_is_opened_with_the_machines_credentials():
    fs = open_object("abfss://lake@acct.dfs.core.windows.net/x.json").store.fs
    assert fs.service_client.url.rstrip("/") == HOST
    assert type(fs.credential).__name__ == "DefaultAzureCredential"
