"""Opens small objects that are replaced by compare and swap: the budget's log, and the state of a task."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage import swap_objects
from airflow_provider_maestroqa.storage.journal import Journal
from airflow_provider_maestroqa.storage.open import as_extra_args, open_filesystem, s3_hook
from airflow_provider_maestroqa.storage.urls import DEFAULT_CONNECTIONS, GCS, S3, StorageUrl, parse_url

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.budget.stores.swapping import SwapObjects
    from airflow_provider_maestroqa.storage.s3_objects import S3Objects


@cache
def open_swap_objects(url: str) -> SwapObjects:
    """Open a prefix in an object storage whose small objects are replaced by compare and swap, once in a process.

    :param url: ``s3://…``, ``gs://…`` or ``abfs://…``; it may name the connection, as in ``s3://my_conn@bucket/prefix``.
        Default: the provider's default connection.
    :raises MaestroQAConfigError: the URL names no bucket in one of these storages, or nothing is installed for it.
    """
    return _open(parse_url(url))


def open_journal(url: str) -> Journal | None:
    """Open the journal of an object that is replaced often, in a storage that allows few writes of one name.

    :param url: of the object; it may name the connection. Default: the provider's default connection.
    :return: ``None`` in any other storage, in which the object itself is replaced.
    """
    folder, _, name = url.rpartition("/") if isinstance(url, str) else ("", "", "")
    if "://" not in folder or not name:
        return None
    parts = parse_url(folder)
    return Journal(_open(parts), name) if parts.storage == GCS and parts.container else None


def _open(parts: StorageUrl) -> SwapObjects:
    if not parts.container:
        address = f"{parts.scheme}://{parts.bucket}/{parts.key}"
        raise MaestroQAConfigError(f"{address} names no bucket. Write it like {parts.scheme}://bucket/prefix.")
    if parts.storage == S3:
        return swap_objects.S3SwapObjects(_open_impatient_s3(parts))
    fs = open_filesystem(parts, None)
    root, address = f"{parts.container}/{parts.key}", f"{parts.scheme}://{parts.bucket}/{parts.key}"
    if parts.storage == GCS:
        return swap_objects.GcsSwapObjects(fs, root, address)
    return swap_objects.AzureSwapObjects(fs, root, address)


def _open_impatient_s3(parts: StorageUrl) -> S3Objects:
    """A prefix whose client neither repeats a request nor waits long for its response."""
    from botocore.config import Config

    from airflow_provider_maestroqa.storage.s3_objects import S3Objects

    hook = s3_hook(parts.conn_id or DEFAULT_CONNECTIONS[S3])
    answer_s = swap_objects.ANSWER_S
    impatient = Config(connect_timeout=answer_s, read_timeout=answer_s, retries={"total_max_attempts": 1})
    client = hook.get_client_type(config=hook.config.merge(impatient))
    extra_args = as_extra_args(hook.conn_config.extra_config.get("s3_extra_args"), f"connection {parts.conn_id}")
    return S3Objects(client, parts.bucket, parts.key, extra_args=extra_args)
