"""The MaestroQA API as one table of data: every operation, how it travels, and whether it is safe to send twice.

Sections name the chapters of MaestroQA's API document. Nothing here sends anything: a :class:`Request` is a request
in its final form, which the drivers in :mod:`.sync_client` and :mod:`.async_client` carry to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES, ListResource
from airflow_provider_maestroqa.client.resources.exports import EXPORT_KINDS

Bucket = Literal["normal", "hard"]


class ParamLocation(Enum):
    """Where an operation's parameters go."""

    NONE = "none"
    BODY = "body"
    QUERY = "query"


@dataclass(frozen=True)
class Endpoint:
    """One operation of the API.

    :param method: HTTP method.
    :param path: path below the base URL; ``{name}`` stands for a path parameter.
    :param section: the chapter of the API document that describes it.
    :param idempotent: whether the same request may be sent twice without harm, so that a lost answer may be
        asked for again.
    :param idempotency_param: a parameter that makes the request idempotent when it is given.
    :param param_location: where the parameters travel.
    :param bucket: the request budget that the operation draws on.
    :param batch_size: the most records in one request, where the operation takes a batch.
    """

    method: str
    path: str
    section: str
    idempotent: bool
    param_location: ParamLocation = ParamLocation.BODY
    bucket: Bucket = "normal"
    batch_size: int | None = None
    idempotency_param: str | None = None


@dataclass(frozen=True)
class Request:
    """A request in its final form, but for the host and the token.

    :param endpoint: the operation.
    :param path: the path with its parameters filled in.
    :param query: query parameters.
    :param body: the JSON body, or ``None`` for none.
    :param resend: whether the user would rather have it carried out twice than not at all.
    """

    endpoint: Endpoint
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    # It may hold a signed URL.
    body: Any = field(default=None, repr=False)
    resend: bool = False

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.endpoint.method

    @property
    def idempotent(self) -> bool:
        """Whether this request may be sent again when its answer was lost."""
        key = self.endpoint.idempotency_param
        return self.resend or self.endpoint.idempotent or (key is not None and bool(self.body) and key in self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


_EXPORTS, _TICKETS, _AGENTS = "Exports", "Tickets", "Agents"
_QUERY, _NOTHING = ParamLocation.QUERY, ParamLocation.NONE


def _get_and_list(resource: ListResource) -> dict[str, Endpoint]:
    """The two operations of a list: reading one record, and reading a page."""
    return {
        resource.get_operation: Endpoint("GET", f"{resource.path}/{{id}}", resource.section, True, _NOTHING),
        resource.list_operation: Endpoint("GET", resource.path, resource.section, True, _QUERY),
    }


#: Asking for an export twice does no harm but makes a second export, so it counts as not repeatable.
ENDPOINTS: Mapping[str, Endpoint] = {
    **{kind.operation: Endpoint("POST", kind.path, _EXPORTS, False) for kind in EXPORT_KINDS.values()},
    "get_export": Endpoint("GET", "/api/v1/get-export-data", _EXPORTS, True),
    "create_ticket": Endpoint("POST", "/api/v1/tickets", _TICKETS, True),
    "update_ticket": Endpoint("PATCH", "/api/v1/tickets/{ticket_id}", _TICKETS, True),
    "delete_ticket": Endpoint("DELETE", "/api/v1/tickets/{ticket_id}", _TICKETS, True, _NOTHING),
    "get_ticket": Endpoint("GET", "/api/v1/tickets/{ticket_id}", _TICKETS, True, _NOTHING),
    "get_tickets": Endpoint("GET", "/api/v1/tickets", _TICKETS, True, _QUERY),
    "create_comment": Endpoint("POST", "/api/v1/comments", _TICKETS, False),
    "create_comments": Endpoint("POST", "/api/v1/comments-batch", _TICKETS, False, batch_size=500),
    "create_attachment": Endpoint("POST", "/api/v1/attachments", _TICKETS, False, idempotency_param="id"),
    "create_agent": Endpoint("POST", "/api/v1/agents", _AGENTS, True),
    "add_agent_id": Endpoint("POST", "/api/v1/agents/add-id-to-agent", _AGENTS, True),
    "set_agent_availability": Endpoint("POST", "/api/v1/update-agent-availability", _AGENTS, True),
    **{name: made for row in LIST_RESOURCES.values() for name, made in _get_and_list(row).items()},
    "export_coaching_sessions": Endpoint(
        "POST", "/api/v1/coaching-sessions", "Get Coaching Data", True, bucket="hard"
    ),
    "push_ticket_metrics": Endpoint("POST", "/api/v1/ticket-metrics-batch", "Metrics", True, batch_size=500),
    "push_agent_metrics": Endpoint("POST", "/api/v1/agent-metrics-batch", "Metrics", True, batch_size=500),
}


def build_request(operation: str, parameters: Mapping[str, Any] | None = None, /, **path_parameters: str) -> Request:
    """Put an operation and its parameters into the form in which they travel.

    Absent parameters are left out: the API takes every parameter that is present for a value.

    :param operation: a key of :data:`ENDPOINTS`.
    :param parameters: body or query parameters by their API names; ``None`` values are left out.
    :param path_parameters: the values of the path's ``{names}``; they are escaped.
    :raises MaestroQAConfigError: a path parameter is empty.
    """
    endpoint = ENDPOINTS[operation]
    for name, value in path_parameters.items():
        if not isinstance(value, str) or value.strip() in ("", ".", ".."):
            raise MaestroQAConfigError(f"{operation} needs a {name}, got {value!r}. Pass the id as text.")
    path = endpoint.path.format(**{name: quote(value, safe="") for name, value in path_parameters.items()})
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    if endpoint.param_location is ParamLocation.QUERY:
        return Request(endpoint, path, query={name: str(value) for name, value in given.items()})
    if endpoint.param_location is ParamLocation.BODY:
        return Request(endpoint, path, body=given)
    return Request(endpoint, path)
