"""How to look at an export where the documented request does not get through. Pure decisions: no I/O.

The documented request is a GET whose parameter travels in a JSON body. Some proxies reject such a request, others
drop its body. Then the other request for the same, which has the id in its path, is tried once. Which of the two
worked is remembered for each host as long as the process lives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_alternative, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAAPIError
from airflow_provider_maestroqa.client.resources.exports import Export, checked_export_id

log = logging.getLogger(__name__)

#: The statuses of a request that was rejected for its form, or whose body was lost on the way.
_REJECTED_STATUSES = frozenset({400, 403, 404, 405, 411})
_BUILDERS = (build_request, build_alternative)
#: For each base URL, the number of the builder whose request has worked last.
_working: dict[str, int] = {}


class ExportLookup:
    """One look at an export: at most two requests.

    ``requests`` → send each → ``add_response`` or ``add_error`` → ``result``.

    :param base_url: the host that is asked.
    :param export_id: the export's id.
    :raises MaestroQAConfigError: it is no id.
    """

    def __init__(self, base_url: str, export_id: object) -> None:
        self.export_id = checked_export_id(export_id)
        self._base_url = base_url
        self._working = _working.get(base_url)
        self._builder = self._working or 0
        self._export: Export | None = None
        self._errors: list[MaestroQAAPIError] = []

    def requests(self) -> Iterator[Request]:
        """The request to send, and where it is rejected the other one."""
        yield self._request()
        if self._errors and self._may_be_lost(self._errors[0]):
            self._builder = 1 - self._builder
            yield self._request()

    def add_response(self, response: Any) -> None:
        """Take the response to the last request."""
        self._export = Export.from_response(self.export_id, response)
        if self._errors:
            log.info("%s; %s works, and is sent from now on.", str(self._errors[0]).rstrip("."), self._request())
        _working[self._base_url] = self._builder

    def add_error(self, error: MaestroQAAPIError) -> None:
        """Take the error that the last request met."""
        self._errors.append(error)

    def result(self) -> Export:
        """The export.

        :raises MaestroQAAPIError: neither request has worked. The error is that of the second where it says more.
        """
        if self._export is not None:
            return self._export
        first, last = self._errors[0], self._errors[-1]
        says_more = last.status not in _REJECTED_STATUSES or (last.explained and not first.explained)
        raise last if says_more else first

    def _request(self) -> Request:
        return _BUILDERS[self._builder]("get_export", {"exportId": self.export_id})

    def _may_be_lost(self, error: MaestroQAAPIError) -> bool:
        """Whether the form of the request may be the reason for an error, and not what it asks for."""
        if error.status == 403:
            return not error.explained
        if error.status == 404 and error.explained:
            # Where this form has worked before, MaestroQA has read the id: there is no such export.
            return self._working is None
        return error.status in _REJECTED_STATUSES


def forget_working_requests() -> None:
    """Forget which requests have worked: for tests."""
    _working.clear()
