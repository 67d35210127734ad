"""Three clouds on this machine, as tasks reach them: by storage URLs and Airflow connections."""

from __future__ import annotations

import json
import sys
import uuid
from functools import cache
from pathlib import Path

import pytest
from clocks import SkippingTime
from cloud_servers import (
    AZURE_KEY,
    azure_connection_string,
    azure_filesystem,
    google_filesystem,
)
from google_front import GoogleFront

#: Where ``requirements/clouds.txt`` is installed.
PROVIDERS = Path(sys.prefix) / "providers"


@cache
def provider_filesystems():
    """The file systems of Airflow's providers for Google and Azure by scheme; empty where these are not installed.

    They are no part of the environment: Airflow, which would load much more of them, does not see them.
    """
    if not PROVIDERS.exists():
        return {}
    import airflow

    sys.path.append(str(PROVIDERS))
    airflow.__path__.append(str(PROVIDERS / "airflow"))
    try:
        from airflow.providers.google.cloud.fs import gcs
        from airflow.providers.microsoft.azure.fs import adls
    finally:
        sys.path.remove(str(PROVIDERS))
        airflow.__path__.remove(str(PROVIDERS / "airflow"))
    return {scheme: module.get_fs for module in (gcs, adls) for scheme in module.schemes}


@pytest.fixture
def airflow_filesystems(monkeypatch):
    """Let the package open the file systems of the real providers."""
    if not provider_filesystems():
        pytest.skip("no providers of Google and Azure: make environment installs them")

    def get_fs(scheme, conn_id=None, storage_options=None):
        return provider_filesystems()[scheme](conn_id, storage_options or {})

    monkeypatch.setattr("airflow_provider_maestroqa._compat.get_fs", get_fs, raising=False)


class Cloud:
    """A bucket in a cloud, in which each test has a folder of its own."""

    scheme = bucket = ""

    def __init__(self):
        self.folder = f"test-{uuid.uuid4().hex[:12]}"

    def url(self, path="", *, bucket=None):
        return f"{self.scheme}://{bucket or self.bucket}/{self.folder}/{path}".rstrip("/")

    def read(self, path):
        return self.fs.cat_file(f"{self.bucket}/{self.folder}/{path}")

    def write(self, path, content):
        self.fs.pipe_file(f"{self.bucket}/{self.folder}/{path}", content)

    def names(self, folder=""):
        self.fs.invalidate_cache()
        root = f"{self.bucket}/{self.folder}/{folder}".rstrip("/")
        return sorted(path.removeprefix(f"{root}/") for path in self.fs.find(root))


class S3Cloud(Cloud):
    scheme, bucket = "s3", "my-data-lake"

    def __init__(self, client):
        super().__init__()
        self.client = client

    def read(self, path):
        return self.client.get_object(Bucket=self.bucket, Key=f"{self.folder}/{path}")["Body"].read()

    def write(self, path, content):
        self.client.put_object(Bucket=self.bucket, Key=f"{self.folder}/{path}", Body=content)

    def names(self, folder=""):
        root = f"{self.folder}/{folder}".rstrip("/")
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{root}/").get("Contents", [])
        return sorted(one["Key"].removeprefix(f"{root}/") for one in found)


class GoogleCloud(Cloud):
    scheme, bucket = "gs", "lake"

    def __init__(self, server):
        super().__init__()
        self.fs = google_filesystem(server)


class AzureCloud(Cloud):
    scheme, bucket = "abfs", "lake"

    def __init__(self, server):
        super().__init__()
        self.fs = azure_filesystem(server)


@pytest.fixture
def google_front(google_storage, monkeypatch):
    """The storage of Google, which may have its limits; waiting for them takes no time."""
    clock = SkippingTime().clock()
    monkeypatch.setattr("airflow_provider_maestroqa.storage.journal.Clock", lambda: clock)
    with GoogleFront(google_storage.port, clock) as front:
        yield front


@pytest.fixture
def google_cloud(google_storage, google_front, airflow_filesystems, monkeypatch):
    extra = {"gcs.endpoint": google_front.url, "project": "test", "is_anonymous": True}
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
    cloud = GoogleCloud(google_storage)
    cloud.refuse = lambda: setattr(google_front, "refuses", 403)
    return cloud


@pytest.fixture
def azure_cloud(azure_storage, airflow_filesystems, monkeypatch):
    def connect(connection_string):
        connection = {"conn_type": "wasb", "extra": {"connection_string": connection_string}}
        monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(connection))

    text = azure_connection_string(azure_storage)
    connect(text)
    cloud = AzureCloud(azure_storage)
    cloud.refuse = lambda: connect(text.replace(AZURE_KEY, "A" * 86 + "=="))
    return cloud


@pytest.fixture
def s3_cloud(s3, s3_server):
    import requests

    def authenticate(after):
        requests.post(f"{s3_server}/moto-api/reset-auth", data=str(after), timeout=10).close()

    cloud = S3Cloud(s3)
    cloud.refuse = lambda: authenticate(0)
    yield cloud
    authenticate("inf")


@pytest.fixture(params=["s3_cloud", "google_cloud", "azure_cloud"], ids=["s3", "google", "azure"])
def cloud(request):
    """Each of the clouds."""
    return request.getfixturevalue(request.param)
