"""Azure's connections, in all the ways in which Airflow's hooks for Azure's storage read them.

Airflow's file system for Azure reads fewer of them: of a key or a signature it does not find the account. What it
lacks is given to it here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.urls import StorageUrl

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Connection

#: How much of a file is kept in memory before it is sent. The default, 50 MiB, is kept several times.
_BLOCK_BYTES = 4 * 2**20
_BLOB_HOST = "blob.core.windows.net"
_MAX_ACCOUNT_CHARS = 24
#: Variables of Azure's own file system.
_ACCOUNT_VARIABLE, _STRING_VARIABLE = "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"


def open_azure(scheme: str, conn_id: str | None, url: StorageUrl) -> Any:
    """Open a file system of Azure; without a connection with the credentials of the machine.

    :param scheme: as Airflow knows it.
    :param conn_id: id of the connection.
    :param url: what is opened.
    :raises MaestroQAConfigError: see :func:`azure_options`.
    """
    options: dict[str, Any] = {"blocksize": _BLOCK_BYTES}
    if conn_id is None and url.account:
        # Airflow's would not learn the account.
        import fsspec

        fs = fsspec.filesystem("abfs", account_name=url.account, **options)
    else:
        if conn_id is not None:
            options |= azure_options(_compat.BaseHook.get_connection(conn_id), url)
        fs = _compat.get_fs(scheme, conn_id, options)
    # Airflow drops the options where it reads a connection string itself.
    fs.blocksize = _BLOCK_BYTES
    # By default Azure's client takes over a minute to say that nothing answers.
    with suppress(AttributeError):
        policy = fs.service_client._config.retry_policy
        policy.initial_backoff, policy.increment_base, policy.random_jitter_range = 1, 2, 1
    return fs


def azure_options(connection: Connection, url: StorageUrl) -> dict[str, Any]:
    """Return what the file system of Azure needs besides what Airflow gives it.

    :param connection: of type ``wasb`` or ``adls``.
    :param url: what is opened; its account stands in where the connection names none.
    :return: arguments of ``adlfs.AzureBlobFileSystem``.
    :raises MaestroQAConfigError: the connection names no account, another one than the URL, or cannot be used.
    """
    fields = _Fields(connection)
    connection_string = fields.get("connection_string")
    if connection_string:
        parts = dict(part.partition("=")[::2] for part in str(connection_string).split(";"))
        _require_account(parts.get("AccountName", ""), url)
        return {}
    if fields.get("tenant") and not fields.get("tenant_id"):
        raise MaestroQAConfigError(
            f"Connection {connection.conn_id!r} has the field tenant, which is of Azure Data Lake Gen1. Create one "
            "of the type wasb or adls, with tenant_id."
        )
    sas = str(fields.get("sas_token") or "")
    is_principal = bool(fields.get("tenant_id"))
    if sas.startswith(("https://", "http://")) and not is_principal:
        address, _, sas = sas.partition("?")
    else:
        address = connection.host or ""
    endpoint, account = _endpoint(address, "" if is_principal else connection.login or "")
    account = str(fields.get("account_name") or account or url.account or os.environ.get(_ACCOUNT_VARIABLE, ""))
    if not account and os.environ.get(_STRING_VARIABLE):
        return {}
    if not account:
        raise MaestroQAConfigError(
            f"Connection {connection.conn_id!r} names no storage account. Write it as host "
            f"(https://myaccount.{_BLOB_HOST}), as login where the password is its key, or in the URL."
        )
    _require_account(account, url)
    endpoint = endpoint or f"https://{account}.{_BLOB_HOST}"
    key = fields.get("shared_access_key") or (not sas and (connection.password or fields.get("account_key")))
    if is_principal:
        return {**_address(account, endpoint), **_principal(connection, fields)}
    if key:
        secret = f"AccountKey={key}"
    elif sas:
        secret = f"SharedAccessSignature={sas.lstrip('?')}"
    else:
        return _address(account, endpoint)
    # A connection string has a place for every kind of endpoint.
    return {"connection_string": f"BlobEndpoint={endpoint};AccountName={account};{secret}"}


class _Fields:
    """The extra of a connection, whose keys may have the prefix of its type."""

    def __init__(self, connection: Connection) -> None:
        self._extra: Mapping[str, Any] = connection.extra_dejson
        self._prefix = f"extra__{connection.conn_type}__"

    def get(self, name: str) -> Any:
        value = self._extra.get(name)
        return value if value not in (None, "") else self._extra.get(self._prefix + name)


def _endpoint(address: str, login: str) -> tuple[str, str]:
    """The address of the service and the account, as far as an address or a login says; see the hook ``wasb``."""
    address = address.strip().rstrip("/")
    if not address:
        return "", login
    parts = urlsplit(address if "://" in address else f"https://{address}")
    host, path = parts.netloc, parts.path.strip("/")
    if "." not in host:
        # The name of the account, or of a directory.
        return "", login or host
    host = host.replace(".dfs.core.", ".blob.core.")
    # An emulator has the account in the path.
    account = path.partition("/")[0] or host.partition(".")[0][:_MAX_ACCOUNT_CHARS]
    return f"{parts.scheme}://{host}{f'/{path}' if path else ''}", account


def _address(account: str, endpoint: str) -> dict[str, Any]:
    host = endpoint.partition("://")[2]
    is_usual = host == f"{account}.{_BLOB_HOST}"
    return {"account_name": account, **({} if is_usual else {"account_host": host})}


def _principal(connection: Connection, fields: _Fields) -> dict[str, Any]:
    if not (connection.login and connection.password):
        raise MaestroQAConfigError(
            f"Connection {connection.conn_id!r} has a tenant_id, so its login must be the id of an application and "
            "its password that application's secret."
        )
    config = fields.get("client_secret_auth_config")
    if not config:
        return {"client_id": connection.login, "client_secret": connection.password}
    from azure.identity.aio import ClientSecretCredential

    # Airflow gives the file system one that cannot wait, which fails with the first request.
    credential = ClientSecretCredential(fields.get("tenant_id"), connection.login, connection.password, **config)
    return {"credential": credential}


def _require_account(account: str, url: StorageUrl) -> None:
    """Azure's connection decides which account is opened, so the URL must not name another one."""
    if url.account and account and account != url.account:
        raise MaestroQAConfigError(
            f"{url.scheme}://{url.bucket} names the account {url.account}, but the connection opens {account}. Pass "
            "the connection of that account."
        )
