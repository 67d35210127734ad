"""What the hook's methods for lists of records share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.catalogue import (
    DEFAULT_PAGE_SIZE,
    LIST_RESOURCES,
    list_parameters,
    parse_page_size,
)
from airflow_provider_maestroqa.client.resources.pagination import Paginator, RecordIterator
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.runtime.lineage import record_read


class ListMethods(BaseMaestroQAHook):
    """Lists: read one record, read a list to its end.

    A list is an iterator: a page is requested when its first record is needed. Arguments are validated at once.
    Records that come again are skipped by their id (``_id`` or ``id``), with one warning at the end that counts them.
    This takes about 10 MB for a million ids; at least the last five million are known.
    """

    def list_records(
        self,
        resource: str,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        **filters: object,
    ) -> RecordIterator:
        """Read a list by its name. The list's own method says what it takes; ``list_todos`` for ``todos``.

        :param resource: the list's name, such as ``todos`` or ``agent_groups``.
        :param start: only records created after this time, for lists that can be filtered by it.
        :param end: only records created before this time, likewise.
        :param page_size: how many to request at once; MaestroQA may return fewer.
        :param filters: the list's filters by their names.
        :return: an iterator of dicts with MaestroQA's own keys.
        :raises MaestroQAConfigError: an argument is wrong or not known; nothing was sent.
        """
        parameters = list_parameters(resource, start=start, end=end, **filters)
        record_read(self, resource)
        row = LIST_RESOURCES[resource]
        paginator = Paginator(
            row.list_operation, parameters, page_size=parse_page_size(page_size), first_index=row.first_index
        )
        return RecordIterator(self._send, paginator, warn=self.log.warning, clock=self.clock)

    def _get(self, resource: str, record_id: str) -> dict[str, Any]:
        request = build_request(LIST_RESOURCES[resource].get_operation, id=record_id)
        record = self._send(request)
        if isinstance(record, Mapping):
            record_read(self, resource)
            return dict(record)
        raise MaestroQADataError(f"{request} returned no record, but {type(record).__name__}.", retryable=True)

    # The client is looked up for each request, because a hook may be closed and used again.

    def _send(self, call: Request) -> Any:
        return self.client.send(call)
