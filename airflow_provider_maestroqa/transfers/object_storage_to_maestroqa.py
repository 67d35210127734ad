"""Pushes the records of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.push import PushOperator
from airflow_provider_maestroqa.runtime.lineage import stored_data
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.client.resources.upload_body import Source


class ObjectStorageToMaestroQAOperator(PushOperator):
    """Push the records of a file: JSON Lines, CSV or Parquet, also gzipped, on this machine or in any object storage.

    The file is read one record at a time. Errors name the line or row, counted from 1. A retry reads the file again
    from the start, and fails where it has changed. All arguments are templated.

    :param source: the file: a path, or a storage URL such as ``s3://bucket/metrics.csv.gz``. The URL may name
        the connection, as in ``s3://my_conn@bucket/metrics.csv.gz``.
    :param resource: what its records are: ``ticket_metrics``, ``agent_metrics``, ``comments``,
        ``csat_scores``, ``tickets`` or ``agents``.
    :param storage_conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :param mapping: which field comes from which column: ``{"ticket_id": "id"}``. A dotted field is a custom
        attribute: ``{"attributes.group": "team"}``. In the place of a column may stand a constant,
        ``{"value": "salesforce"}``, or ``{"column": "team", "optional": True, "type": "number"}``. Columns that are
        not named are dropped. Default: every column must be a field.
    :param file_format: ``jsonl``, ``csv`` or ``parquet``. Default: by the name's suffix. Whether it is gzipped
        is always detected.
    :param delimiter: what separates the cells of a CSV file. Default: a comma; a tab where the name ends in ``.tsv``.
    :param null_values: cells of a CSV file that are absent, such as ``["NULL", "n/a"]``. Empty ones always are.
    :param timezone: name of the time zone of times without one, such as ``UTC``. Default: such times are rejected.
    :param update_first: for tickets: whether to try the update first, because most exist already.

    The other arguments are those of all pushes: :class:`~airflow_provider_maestroqa.operators.push.PushOperator`.

    :return: the report of the push.
    :raises AirflowFailException: a retry could not help: an argument, the file or a record is wrong, or the file has
        changed since the earlier try.
    :raises MaestroQAConnectionError: the storage could not be reached; nothing was sent.
    """

    template_fields: Sequence[str] = (
        "source",
        "resource",
        "storage_conn_id",
        "mapping",
        "file_format",
        "delimiter",
        "null_values",
        "timezone",
        "update_first",
        *PushOperator.template_fields,
    )
    template_fields_renderers = {"mapping": "json", "null_values": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(
        self,
        *,
        source: str,
        resource: str,
        storage_conn_id: str | None = None,
        mapping: Mapping[str, Any] | None = None,
        file_format: str | None = None,
        delimiter: str | None = None,
        null_values: Sequence[str] | None = None,
        timezone: str | None = None,
        update_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.resource = resource
        self.storage_conn_id = storage_conn_id
        self.mapping = mapping
        self.file_format = file_format
        self.delimiter = delimiter
        self.null_values = null_values
        self.timezone = timezone
        self.update_first = update_first

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the file and push its records."""
        from airflow_provider_maestroqa.pushes.resources import resource_named
        from airflow_provider_maestroqa.sources.reader import ReadOptions, file_records

        state = self.announce(context)
        with airflow_errors():
            record_type = resource_named(self.resource).record_type
            read_options = ReadOptions.parse(record_type, mapping=self.mapping, timezone=self.timezone)
            source = self._open()
            self.sources = (stored_data(source.name),)
            with file_records(
                source,
                read_options,
                file_format=self.file_format,
                delimiter=self.delimiter,
                null_values=self.null_values,
            ) as records:
                return self.push(context, records, state)

    def _open(self) -> Source:
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
        from airflow_provider_maestroqa.client.parsing import is_blank
        from airflow_provider_maestroqa.storage.open import open_file

        # An ObjectStoragePath gives its URL as text.
        text = str(self.source)
        if is_blank(text) or text.lower().startswith(("http://", "https://")):
            raise MaestroQAConfigError(
                f"source must be a path on this machine or a storage URL such as s3://bucket/metrics.csv, got "
                f"{self.source!r}."
            )
        conn_id = None if is_blank(self.storage_conn_id) else self.storage_conn_id
        return open_file(text, conn_id=conn_id)

    def _bound_to(self) -> dict[str, Any]:
        return {
            **super()._bound_to(),
            "source": str(self.source),
            "mapping": self.mapping,
            "file_format": self.file_format,
        }
