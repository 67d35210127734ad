"""Lands exports in any object storage that Airflow knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.transfers.land_export import LandExportOperator

if TYPE_CHECKING:
    from airflow_provider_maestroqa.storage.base import Store


class MaestroQAExportToObjectStorageOperator(LandExportOperator):
    """Land a complete export under a storage URL: download, check the whole archive, publish each file atomically.

    The export's files become ``<destination>/<file>``; the manifest ``<destination>/_manifest.json`` comes last: it
    is the commit. The same export gives the same names, so give each run a destination of its own. A second run does
    nothing when the manifest already matches.

    All arguments are templated.

    :param destination: storage URL of a folder: ``gs://…``, ``abfs://…``, ``s3://…``, ``file:///…``.
    :param storage_conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.

    The other arguments are those of all landings of exports.

    :return: the manifest: ``{"export_id", "has_data", "destination", "window", "files": [{"name", "uri", "bytes",
        "sha256", "content_bytes", "crc32", "rows"?}], "manifest"}``; sizes in bytes. Cleaned files also have
        ``columns``, ``natural_key``, ``duplicate_keys``, ``null_counts`` and ``unreadable_dates``.
    :raises AirflowFailException: a retry could not help: wrong arguments, a rejected token, a failed export, an
        unsafe archive, a file that cannot be cleaned, or no data with ``on_no_data="fail"``.
    :raises MaestroQAExportTimeoutError: the export is not complete yet.
    :raises MaestroQAError: the download or the storage failed; nothing partial is visible.
    """

    template_fields: Sequence[str] = ("destination", "storage_conn_id", *LandExportOperator.template_fields)

    def __init__(self, *, destination: str, storage_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.storage_conn_id = storage_conn_id

    def _open_store(self) -> Store:
        from airflow_provider_maestroqa.storage.open import open_store

        return open_store(self.destination, conn_id=self.storage_conn_id)
