"""The account that is checked: sends the requests of the probes, each different one once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa.check.hook import CheckHook
from airflow_provider_maestroqa.check.redaction import Redactor
from airflow_provider_maestroqa.client.endpoints import API_TOKEN, Bucket, Endpoint, HeaderAuth, Request
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.client.hosts import NEW_NAME, OLD_NAME
from airflow_provider_maestroqa.client.presigned import is_loopback
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES, ListResource
from airflow_provider_maestroqa.client.server_text import clean_text, error_text
from airflow_provider_maestroqa.client.transport.json_decoding import InvalidJSONError, decode_json
from airflow_provider_maestroqa.client.transport.retry import Response, is_success

#: What the check calls what it makes, and the ids that it makes up.
SCRATCH_NAME = "airflow-check"
_ROOT = "/api/v1"


@dataclass(frozen=True)
class Reply:
    """A response, as the probes look at it.

    :param status: the HTTP status.
    :param headers: with lower-case names.
    :param content: the decoded JSON; ``None`` where the body is none.
    :param words: the message of an error, without values of the account; of a body that is no JSON, that it is none.
    :param received_at: Unix time in seconds.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: Any = field(repr=False)
    words: str
    received_at: float

    @property
    def is_explained(self) -> bool:
        """Whether MaestroQA itself gave a reason for an error."""
        return bool(self.words) and self.content is not None

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return is_success(self.status)

    @property
    def says(self) -> str:
        """Status and message, for a table."""
        return f"{self.status} ({self.words})" if self.words else str(self.status)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object; empty where the body is none."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def sent_at(self) -> float | None:
        """Unix seconds of the header ``Date``."""
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    reply: Reply

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Its records."""
        resources = self.reply.fields.get("Resources")
        return [one for one in resources if isinstance(one, dict)] if isinstance(resources, list) else []

    @property
    def ids(self) -> list[str]:
        """The ids of its records, under either name."""
        return [str(one.get("id") or one.get("_id")) for one in self.records]

    @property
    def total(self) -> int:
        """How many records the list has."""
        total = self.reply.fields.get("totalResults")
        return total if isinstance(total, int) else len(self.records)


@dataclass(repr=False)
class CheckedAccount:
    """An account, seen through the requests of a check.

    :param hook: sends them.
    """

    hook: CheckHook
    redactor: Redactor = field(default_factory=Redactor)
    #: Responses that several probes look at, by what was requested.
    replies: dict[tuple[Any, ...], Reply] = field(default_factory=dict)
    #: The exports that were requested, by their types.
    exports: dict[str, Any] = field(default_factory=dict)
    #: An export of the grades alone, requested without options.
    grades: Any = None
    #: What the storage sent for the file of an export.
    download: Any = None
    #: The responses to requests that were sent at once, and how long the first of them took, in seconds.
    burst: list[Reply] = field(default_factory=list)
    burst_s: float = 0.0
    #: The ticket that the check has made.
    scratch: Any = None
    #: Undoes what the check has written; ``None`` when there is nothing to undo.
    clean_up: Callable[[], None] | None = None

    @cached_property
    def host(self) -> str:
        """The host as the report names it: only MaestroQA's own names are shown."""
        name = urlsplit(self.hook.settings.base_url).hostname or ""
        if name in (OLD_NAME, NEW_NAME):
            return name
        return "this machine" if is_loopback(name) else "another host"

    def undo(self) -> bool:
        """Undo what was written, as far as that is not done yet; returns whether nothing is left of it."""
        try:
            if self.clean_up is not None:
                self.clean_up()
        except (MaestroQAError, KeyboardInterrupt):
            pass
        return self.clean_up is None

    def ask(self, request: Request) -> Reply:
        """Send a request, whatever comes back.

        :raises MaestroQAError: nothing came back.
        """
        client, lost = self.hook.client, None
        try:
            client.send(request)
        except MaestroQAError as error:
            lost = error
        if client.last is None:
            raise lost or MaestroQAError(f"{request}: no response.")
        return self.reply(client.last)

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, root: str = _ROOT, auth: HeaderAuth = API_TOKEN
    ) -> Reply:
        """Send a GET, once for each path and query.

        :param path: below the root, escaped.
        """
        key = (root, path, str(query), auth)
        if key not in self.replies:
            endpoint = Endpoint("GET", path, "", idempotent=True, root=root, auth=auth)
            values = {name: str(value) for name, value in (query or {}).items()}
            self.replies[key] = self.ask(Request(endpoint, endpoint.full_path, query=values))
        return self.replies[key]

    def send(self, method: str, path: str, body: Any = None, *, bucket: Bucket = "normal") -> Reply:
        """Send another request. One whose response is lost is not sent again."""
        endpoint = Endpoint(method, path, "", idempotent=False, bucket=bucket)
        return self.ask(Request(endpoint, endpoint.full_path, body=body))

    def page(self, row: ListResource, **query: Any) -> Page:
        """Get a page of a list."""
        return Page(self.get(row.path, query, root=row.root))

    def first_page(self, row: ListResource) -> Page:
        """Get the first two records of a list, whatever the index of the first one is."""
        return self.page(row, count=2)

    @cached_property
    def longest_list(self) -> ListResource:
        """The list with the most records."""
        windowed = [row for row in LIST_RESOURCES.values() if row.is_windowed]
        return max(windowed, key=lambda row: self.first_page(row).total)

    def reply(self, response: Response) -> Reply:
        """Look at a response."""
        try:
            content = decode_json(response.body)
        except InvalidJSONError:
            content = None
        words = "no JSON" if content is None and response.body else ""
        if is_success(response.status):
            self.redactor.learn(content)
        elif content is not None:
            said = clean_text(error_text(content), secrets=self.hook.settings.secrets)
            words = self.redactor.redact(said.rstrip(". "))
        return Reply(response.status, response.headers, content, words, self.hook.clock.wall())
