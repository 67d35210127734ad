"""Lineage: what a task has moved, reported to OpenLineage and to Airflow's collector of hook lineage.

A task records what it moves while it runs, because the connection may be gone afterwards. Nothing here holds a token,
a signed URL or a record. OpenLineage is imported only by the methods that its Airflow provider calls.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.assets import SCHEME, dataset_of
from airflow_provider_maestroqa.client.hosts import account_host
from airflow_provider_maestroqa.client.resources.exports import EXPORT_KINDS
from airflow_provider_maestroqa.storage.urls import local_path, parse_url

log = logging.getLogger(__name__)

_EXPORTS = "exports"
#: Some drivers' placeholders, which a SQL parser cannot read.
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|\?")


@dataclass(frozen=True)
class Data:
    """A dataset that a task has read or written.

    :param namespace: as OpenLineage names things: ``s3://bucket``, ``file``, ``maestroqa://app.maestroqa.com``.
    :param name: its name there.
    :param rows: records that were written, where they were counted.
    :param bytes: bytes that were written.
    :param files: files that were written.
    :param columns: the names of its columns, where they are known.
    :param version: which version of it was read.
    :param written: whether this run has replaced it.
    """

    namespace: str
    name: str
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    columns: tuple[str, ...] = ()
    version: str = ""
    written: bool = False

    @property
    def uri(self) -> str:
        """Its address, for an asset."""
        return f"file://{self.name}" if self.namespace == "file" else f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class DataTransfer:
    """What went where.

    :param inputs: what was read.
    :param outputs: what was written.
    """

    inputs: tuple[Data, ...] = ()
    outputs: tuple[Data, ...] = ()


class LineageMixin:
    """An operator that reports to OpenLineage what it has moved, when its task has ended."""

    #: Recorded while the task runs.
    data_transfer: DataTransfer | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - the provider gives it
        """Report the inputs and outputs, with their facets."""
        return None if self.data_transfer is None else operator_lineage(self.data_transfer)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report the inputs and outputs between which the task failed."""
        return self.get_openlineage_facets_on_complete(task_instance)


def maestroqa_data(base_url: str, dataset: str, *, version: str = "") -> Data:
    """A dataset of MaestroQA.

    :param base_url: of the connection.
    :param dataset: as in a ``maestroqa://`` URI, or an operator's name for it.
    :param version: which version of it, such as an export's id.
    """
    host = account_host(base_url.partition("://")[2].removesuffix(":443"))
    return Data(f"{SCHEME}://{host}", dataset_of(dataset), version=version)


def stored_data(address: str) -> Data:
    """A file or folder in a storage.

    :param address: a storage URL, or a path on this machine.
    """
    path = local_path(address)
    if path is not None:
        return Data("file", str(path.absolute()))
    url = parse_url(address)
    return Data(url.namespace, url.key or "/")


def landed_data(manifest: Mapping[str, Any], *, written: bool) -> tuple[Data, ...]:
    """The files of a landing; its folder, where there are none.

    :param manifest: what has landed.
    :param written: whether this run has landed it; else it was there already.
    """
    if not manifest["files"]:
        return (replace(stored_data(manifest["destination"]), rows=0, bytes=0, files=0),)
    return tuple(
        replace(
            stored_data(f"{manifest['destination']}/{file['name']}"),
            rows=file.get("rows") if written else None,
            bytes=file["bytes"] if written else None,
            files=1 if written else None,
            columns=tuple(file.get("columns", ())),
            written=written,
        )
        for file in manifest["files"]
    )


def export_dataset(operator: Any) -> str:
    """Find the dataset of an export in the DAG, because MaestroQA does not name it.

    The operator's own inlets and outlets name it, or else the one task before it that requests an export.

    :param operator: the operator that lands the export.
    :return: ``exports/raw``, ``exports/groups`` or ``exports/audit-log``; ``exports`` when the DAG does not name it.
    """
    declared = [str(getattr(asset, "uri", "")).partition("://") for asset in (*operator.inlets, *operator.outlets)]
    datasets = {rest.partition("/")[2] for scheme, _, rest in declared if scheme == SCHEME}
    datasets = {name for name in datasets if name.startswith(f"{_EXPORTS}/")}
    if not datasets and operator.has_dag():
        for task in operator.upstream_list:
            arguments = getattr(task, "partial_kwargs", None) or vars(task)
            export_type = arguments.get("export_type")
            if isinstance(export_type, str) and export_type in EXPORT_KINDS:
                datasets.add(EXPORT_KINDS[export_type].dataset)
    return datasets.pop() if len(datasets) == 1 else _EXPORTS


def operator_lineage(transfer: DataTransfer) -> Any:
    """Convert what was moved to OpenLineage."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    return OperatorLineage(
        inputs=[InputDataset(data.namespace, data.name, facets=_facets(data)) for data in transfer.inputs],
        outputs=[
            OutputDataset(data.namespace, data.name, facets=_facets(data), outputFacets=_statistics(data))
            for data in transfer.outputs
        ],
    )


def query_lineage(transfer: DataTransfer, sql: str, conn_id: str) -> Any:
    """Convert what a query has fetched to OpenLineage, without the query's parameters.

    :param transfer: where it went.
    :param sql: the statement. Its tables become inputs where the database's provider can name them.
    :param conn_id: id of the connection to the database.
    """
    from openlineage.client.facet_v2 import sql_job

    lineage = operator_lineage(transfer)
    lineage.job_facets["sql"] = sql_job.SQLJobFacet(query=sql.strip())
    try:
        lineage.inputs.extend(_tables(sql, conn_id))
    except Exception as error:  # noqa: BLE001 - each database fails in its own way, and the statement is reported anyway
        log.debug("The tables of the query are not known to OpenLineage: %s", type(error).__name__)
    return lineage


def report(hook: Any, *, read: Iterable[str] = (), written: Iterable[str] = ()) -> None:
    """Report to Airflow's collector of hook lineage what a hook reads and writes. Never fails.

    :param hook: the hook.
    :param read: the URIs that it reads; only iterated where a plugin collects them.
    :param written: the URIs that it writes; likewise.
    """
    try:
        collector = _compat.lineage_collector()
        if collector is None:
            return
        # Airflow 2 calls an asset a dataset.
        add_input = getattr(collector, "add_input_asset", None) or collector.add_input_dataset
        add_output = getattr(collector, "add_output_asset", None) or collector.add_output_dataset
        for uri in read:
            add_input(hook, uri=uri)
        for uri in written:
            add_output(hook, uri=uri)
    except Exception as error:  # noqa: BLE001 - a report of the work must not stop it
        log.debug("The lineage was not reported to Airflow: %s", type(error).__name__)


def record_read(hook: Any, resource: str) -> None:
    """Report to Airflow's collector that a hook reads from MaestroQA. Never fails.

    :param hook: the hook.
    :param resource: what it reads.
    """
    report(hook, read=_uri_of(hook, resource))


def record_written(hook: Any, resource: str) -> None:
    """Report to Airflow's collector that a hook writes to MaestroQA. Never fails.

    :param hook: the hook.
    :param resource: what it writes.
    """
    report(hook, written=_uri_of(hook, resource))


def _uri_of(hook: Any, resource: str) -> Iterator[str]:
    # A generator: the connection is not read where no plugin collects.
    yield maestroqa_data(hook.settings.base_url, resource).uri


def _facets(data: Data) -> dict[str, Any]:
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        lifecycle_state_change_dataset,
        schema_dataset,
    )

    facets: dict[str, Any] = {}
    if data.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name=column) for column in data.columns]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    if data.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=data.version)
    if data.written:
        change = lifecycle_state_change_dataset.LifecycleStateChange.OVERWRITE
        facets["lifecycleStateChange"] = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(change)
    return facets


def _statistics(data: Data) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    if data.rows is None and data.bytes is None and data.files is None:
        return {}
    facet = statistics.OutputStatisticsOutputDatasetFacet(rowCount=data.rows, size=data.bytes, fileCount=data.files)
    return {"outputStatistics": facet}


def _tables(sql: str, conn_id: str) -> Sequence[Any]:
    from airflow.providers.openlineage.sqlparser import SQLParser

    connection = _compat.BaseHook.get_connection(conn_id)
    hook = connection.get_hook()
    database = hook.get_openlineage_database_info(connection)
    if database is None:
        return []
    parser = SQLParser(
        dialect=hook.get_openlineage_database_dialect(connection),
        default_schema=hook.get_openlineage_default_schema(),
    )
    # The connection's hook names the database; the database is not queried for its schema.
    metadata = parser.generate_openlineage_metadata_from_sql(
        sql=_PLACEHOLDER.sub("NULL", sql),
        hook=hook,
        database_info=database,
        database=database.database,
        use_connection=False,
    )
    return list(metadata.inputs)
