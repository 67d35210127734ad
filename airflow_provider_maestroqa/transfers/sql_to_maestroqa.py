"""Pushes the rows of a query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.push import PushOperator
from airflow_provider_maestroqa.runtime.lineage import query_lineage
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.sources.sql_rows import SqlRows


class SqlToMaestroQAOperator(PushOperator):
    """Push the rows of a query, on any connection that Airflow's common SQL provider knows.

    Rows are fetched as they are pushed: with a cursor at the server on PostgreSQL and MySQL, else in chunks. Errors
    name the row, counted from 1. A retry runs the query again and fails where its rows have changed, so use
    ``ORDER BY``. All arguments are templated; ``sql`` may be the path of a ``.sql`` file.

    :param sql: one statement that returns rows.
    :param sql_conn_id: id of the connection to the database.
    :param resource: what the rows are: ``ticket_metrics``, ``agent_metrics``, ``comments``,
        ``csat_scores``, ``tickets`` or ``agents``.
    :param parameters: values for the placeholders in ``sql``: a list or a dict, as the database's driver takes them.
        The driver binds them; they never become part of the text.
    :param mapping: which field comes from which column: ``{"ticket_id": "id"}``. A dotted field is a custom
        attribute: ``{"attributes.group": "team"}``. In the place of a column may stand a constant,
        ``{"value": "salesforce"}``, or ``{"column": "team", "optional": True, "type": "number"}``. Columns that are
        not named are dropped. Default: every column must be a field.
    :param timezone: name of the time zone of times without one, such as ``UTC``. Default: such times are rejected.
    :param chunk_size: rows to fetch at once.
    :param update_first: for tickets: whether to try the update first, because most exist already.

    The other arguments are those of all pushes: :class:`~airflow_provider_maestroqa.operators.push.PushOperator`.

    :return: the report of the push.
    :raises AirflowFailException: a retry could not help: an argument, the columns or a record is wrong, or the rows
        have changed since the earlier try.
    :raises MaestroQADataError: the database rejected the query or broke off; the message has the driver's.
    """

    template_fields: Sequence[str] = (
        "sql",
        "sql_conn_id",
        "resource",
        "parameters",
        "mapping",
        "timezone",
        "chunk_size",
        "update_first",
        *PushOperator.template_fields,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql", "parameters": "json", "mapping": "json"}  # noqa: RUF012 - as above

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        resource: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        mapping: Mapping[str, Any] | None = None,
        timezone: str | None = None,
        chunk_size: int = 1000,
        update_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.resource = resource
        self.parameters = parameters
        self.mapping = mapping
        self.timezone = timezone
        self.chunk_size = chunk_size
        self.update_first = update_first

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the query and push its rows."""
        from airflow_provider_maestroqa.pushes.resources import resource_named
        from airflow_provider_maestroqa.sources.reader import ReadOptions, query_records

        state = self.announce(context)
        with airflow_errors():
            record_type = resource_named(self.resource).record_type
            read_options = ReadOptions.parse(record_type, mapping=self.mapping, timezone=self.timezone)
            with self._rows() as rows:
                records = query_records(rows, read_options, f"The query on connection {self.sql_conn_id!r}")
                return self.push(context, records, state)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - as in the base class
        """Tell OpenLineage the statement, without its parameters, and where its rows went."""
        return None if self.data_transfer is None else query_lineage(self.data_transfer, self.sql, self.sql_conn_id)

    @contextmanager
    def _rows(self) -> Iterator[SqlRows]:
        from airflow_provider_maestroqa.runtime.database import open_database

        database = open_database(self.sql_conn_id)
        rows = database.run(self.sql, self.parameters, chunk_size=self.chunk_size)
        try:
            yield rows
        finally:
            rows.close()

    def _bound_to(self) -> dict[str, Any]:
        return {
            **super()._bound_to(),
            "sql": self.sql,
            "sql_conn_id": self.sql_conn_id,
            "parameters": self.parameters,
            "mapping": self.mapping,
        }
