"""The file system of Google's storage, with credentials that last."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.base import describe_error


def open_google(scheme: str, conn_id: str | None) -> Any:
    """Open a file system of Google's storage; without a connection with the credentials of the machine.

    :param scheme: as Airflow knows it.
    :param conn_id: id of the connection.
    :raises MaestroQAConfigError: the connection leads to no credentials.
    """
    options: dict[str, Any] = {}
    if conn_id is not None:
        # Older providers give the file system a token that ends after an hour, and nothing to renew it with.
        with suppress(ImportError):
            from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

            options["token"] = _credentials_of(GoogleBaseHook(gcp_conn_id=conn_id), conn_id)
    return _compat.get_fs(scheme, conn_id, options) if options else _compat.get_fs(scheme, conn_id)


def _credentials_of(hook: Any, conn_id: str) -> Any:
    try:
        return hook.get_credentials()
    except Exception as error:
        if not type(error).__module__.startswith("google.auth"):
            raise
        problem = describe_error(error)
    raise MaestroQAConfigError(
        f"Connection {conn_id!r} leads to no credentials for Google's storage: {problem}. Give it a key (key_path or "
        "keyfile_dict), or give this machine a service account."
    )
