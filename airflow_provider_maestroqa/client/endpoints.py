"""The MaestroQA API as one table of data: every operation, how it travels, and whether it is safe to send twice.

Sections name the chapters of MaestroQA's API document. Nothing here sends anything: a :class:`Request` is a request
in its final form, which the clients in :mod:`.sync_client` and :mod:`.async_client` send to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_maestroqa.client.deprecated import moved
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import number_as_text
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES, ListResource
from airflow_provider_maestroqa.client.resources.exports import EXPORT_KINDS

Bucket = Literal["normal", "hard"]
__getattr__ = moved(__name__, {"Call": f"{__name__}.Request"})


class ParamLocation(Enum):
    """Where an operation's parameters go."""

    NONE = "none"
    BODY = "body"
    QUERY = "query"


@dataclass(frozen=True)
class HeaderAuth:
    """How the API token travels: in a header.

    :param header: the header's name.
    :param prefix: what comes before the token, as in ``Bearer …``.
    """

    header: str
    prefix: str = ""

    def headers(self, token: str) -> dict[str, str]:
        """Return the header that authenticates a request."""
        return {self.header: f"{self.prefix}{token}"}


API_TOKEN = HeaderAuth("apitoken")
BEARER_TOKEN = HeaderAuth("Authorization", "Bearer ")


@dataclass(frozen=True)
class Endpoint:
    """One operation of the API.

    :param method: HTTP method.
    :param path: path below the root, case-sensitive; ``{name}`` stands for a path parameter.
    :param section: the chapter of the API document that describes it.
    :param idempotent: whether the same request may be sent twice without harm, so that it is sent again when its
        response was lost.
    :param idempotency_param: a parameter that makes the request idempotent when it is given.
    :param param_location: where the parameters travel.
    :param bucket: the request budget that the operation draws on.
    :param batch_size: the maximum number of records in one request, where the operation takes a batch.
    :param unknown_outcome_hint: what a user is told when a response was lost and the request is not sent again.
    :param may_be_repeated: whether a later try of the task may send it again when its response was lost, because that
        does no harm although it is not idempotent.
    :param root: the path of the API that the operation belongs to, below the base URL.
    :param auth: how the token travels.
    :param alternative: another request for the same, whose path holds the parameters.
    """

    method: str
    path: str
    section: str
    idempotent: bool
    param_location: ParamLocation = ParamLocation.BODY
    bucket: Bucket = "normal"
    batch_size: int | None = None
    idempotency_param: str | None = None
    unknown_outcome_hint: str = (
        "It may or may not have been carried out, so it was not sent again. Look at MaestroQA before you do."
    )
    may_be_repeated: bool = False
    root: str = "/api/v1"
    auth: HeaderAuth = API_TOKEN
    alternative: Endpoint | None = None

    @property
    def full_path(self) -> str:
        """The path below the base URL."""
        return self.root + self.path


@dataclass(frozen=True)
class Request:
    """A request in its final form, but for the host and the token.

    :param endpoint: the operation.
    :param path: the full path with its parameters filled in.
    :param query: query parameters.
    :param body: the JSON body, or ``None`` for none.
    :param resend: whether the user would rather have it carried out twice than not at all.
    :param secrets: what no message about its response may hold, besides the token.
    """

    endpoint: Endpoint
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    # It may hold a signed URL.
    body: Any = field(default=None, repr=False)
    resend: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.endpoint.method

    @property
    def idempotent(self) -> bool:
        """Whether this request may be sent again when its response was lost."""
        key = self.endpoint.idempotency_param
        return self.resend or self.endpoint.idempotent or (key is not None and bool(self.body) and key in self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


_read = partial(Endpoint, "GET", idempotent=True, param_location=ParamLocation.NONE)
_list = partial(Endpoint, "GET", idempotent=True, param_location=ParamLocation.QUERY)
#: Creates what is identified by its values, or sets what is there: the same request again changes nothing.
_put = partial(Endpoint, "POST", idempotent=True)
#: Creates something new each time.
_add = partial(Endpoint, "POST", idempotent=False)
#: A repeated request does no harm but starts a second export, so it is not sent again by itself.
_request_export = partial(
    _add,
    section="Exports",
    unknown_outcome_hint=(
        "The export may or may not have been requested. Request it again: that does no harm, although there may "
        "be two exports at MaestroQA then."
    ),
    may_be_repeated=True,
)
_TICKETS, _AGENTS, _METRICS = "Tickets", "Agents", "Metrics"
_BATCH = 500


def _writes_of_groups(name: str) -> dict[str, Endpoint]:
    """The operations that write a group of SCIM; creating one twice makes two."""
    row = LIST_RESOURCES[f"{name}s"]
    scim = partial(Endpoint, section=row.section, root=row.root)
    one = f"{row.path}/{{id}}"
    return {
        f"create_{name}": scim(
            "POST",
            row.path,
            idempotent=False,
            unknown_outcome_hint="The group may or may not have been created, so it was not sent again.",
        ),
        f"replace_{name}": scim("PUT", one, idempotent=True),
        f"update_{name}": scim("PATCH", one, idempotent=True),
        f"delete_{name}": scim("DELETE", one, idempotent=True, param_location=ParamLocation.NONE),
    }


def _get_and_list(resource: ListResource) -> dict[str, Endpoint]:
    """The two operations of a list: reading one record, and reading a page."""
    return {
        resource.get_operation: _read(f"{resource.path}/{{id}}", resource.section, root=resource.root),
        resource.list_operation: _list(resource.path, resource.section, root=resource.root),
    }


ENDPOINTS: Mapping[str, Endpoint] = {
    **{kind.operation: _request_export(kind.path) for kind in EXPORT_KINDS.values()},
    "get_export": _read(
        "/get-export-data",
        "Exports",
        param_location=ParamLocation.BODY,
        # Not in the API document, but in use; it gets through where a GET with a body does not.
        alternative=_read("/export-data/{exportId}", "Exports"),
    ),
    "create_ticket": _put("/tickets", _TICKETS),
    "update_ticket": Endpoint("PATCH", "/tickets/{ticket_id}", _TICKETS, idempotent=True),
    "delete_ticket": Endpoint(
        "DELETE", "/tickets/{ticket_id}", _TICKETS, idempotent=True, param_location=ParamLocation.NONE
    ),
    "get_ticket": _read("/tickets/{ticket_id}", _TICKETS),
    "get_tickets": _list("/tickets", _TICKETS),
    "create_comment": _add("/comments", _TICKETS),
    "create_comments": _add("/comments-batch", _TICKETS, batch_size=_BATCH),
    "create_attachment": _add("/attachments", _TICKETS, idempotency_param="id"),
    "create_agent": _put("/agents", _AGENTS),
    "add_agent_id": _put("/agents/add-id-to-agent", _AGENTS),
    "set_agent_availability": _put("/update-agent-availability", _AGENTS),
    **{name: endpoint for row in LIST_RESOURCES.values() for name, endpoint in _get_and_list(row).items()},
    **_writes_of_groups("agent_group"),
    **_writes_of_groups("user_group"),
    "export_coaching_sessions": _put("/coaching-sessions", "Get Coaching Data", bucket="hard"),
    "push_ticket_metrics": _put("/ticket-metrics-batch", _METRICS, batch_size=_BATCH),
    "push_agent_metrics": _put("/agent-metrics-batch", _METRICS, batch_size=_BATCH),
    "request_data_deletion": Endpoint(
        "DELETE", "/data-deletion-request", "Data Deletion", idempotent=True, bucket="hard", batch_size=5
    ),
    "get_data_deletion": _read("/data-deletion-check/{deletion_id}", "Data Deletion", bucket="hard"),
    "push_csat_scores": _add("/create-customer-feedback", "Push Bulk CSAT Scores", batch_size=100),
}


def build_request(operation: str, parameters: Mapping[str, Any] | None = None, /, **path_parameters: str) -> Request:
    """Put an operation and its parameters into the form in which they travel.

    Absent parameters are left out: the API takes every parameter that is present for a value.

    :param operation: a key of :data:`ENDPOINTS`.
    :param parameters: body or query parameters by their API names; ``None`` values are left out.
    :param path_parameters: the values of the path's ``{names}``; they are escaped.
    :raises MaestroQAConfigError: a path parameter is empty.
    """
    return _build(operation, ENDPOINTS[operation], parameters or {}, path_parameters)


def build_alternative(operation: str, parameters: Mapping[str, str]) -> Request:
    """Put an operation into its other form, whose path holds the parameters.

    :param operation: a key of :data:`ENDPOINTS` whose row has an alternative.
    :param parameters: the values of the path's ``{names}``; they are escaped.
    :raises MaestroQAConfigError: a parameter is empty, or there is no alternative.
    """
    endpoint = ENDPOINTS[operation].alternative
    if endpoint is None:
        raise MaestroQAConfigError(f"There is one request for {operation}.")
    return _build(operation, endpoint, {}, parameters)


def _build(
    operation: str, endpoint: Endpoint, parameters: Mapping[str, Any], path_parameters: Mapping[str, Any]
) -> Request:
    path_parameters = {name: number_as_text(value) for name, value in path_parameters.items()}
    for name, value in path_parameters.items():
        if not isinstance(value, str) or value.strip() in ("", ".", ".."):
            raise MaestroQAConfigError(f"{operation} needs a {name}, got {value!r}. Pass the id as text.")
    path = endpoint.full_path.format(**{name: quote(value, safe="") for name, value in path_parameters.items()})
    values = {name: value for name, value in parameters.items() if value is not None}
    if endpoint.param_location is ParamLocation.QUERY:
        return Request(endpoint, path, query={name: str(value) for name, value in values.items()})
    if endpoint.param_location is ParamLocation.BODY:
        return Request(endpoint, path, body=values)
    return Request(endpoint, path)
