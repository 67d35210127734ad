"""Deletions of customers' data: whose, how they are requested, and what MaestroQA says of them.

E-mail addresses travel in the body of a request and nowhere else: no message, representation or log holds one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import PydanticCustomError

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS, Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAServerError
from airflow_provider_maestroqa.client.resources.coercion import as_email
from airflow_provider_maestroqa.client.server_text import clean_text, read_id

log = logging.getLogger(__name__)

COMPLETED = "completed"
#: Statuses of a deletion that has ended without success: it must be requested again.
FAILED = frozenset({"errored", "error", "not found"})
_KNOWN = FAILED | {COMPLETED, "pending"}


@dataclass(frozen=True)
class DataDeletion:
    """What MaestroQA says of a deletion. (API: Data Deletion)

    :param deletion_id: its id.
    :param status: ``pending``, ``completed``, ``not found``, ``errored``, or another one as MaestroQA says it.
    """

    deletion_id: str
    status: str

    @property
    def is_completed(self) -> bool:
        """Whether the data is gone."""
        return self.status == COMPLETED

    @property
    def is_failed(self) -> bool:
        """Whether MaestroQA gave up on it, or does not know it."""
        return self.status in FAILED

    @property
    def is_known(self) -> bool:
        """Whether the status is a documented one."""
        return self.status in _KNOWN

    @classmethod
    def from_response(cls, deletion_id: str, response: object) -> DataDeletion:
        """Read a response; a status that is none is empty text."""
        status = response.get("status") if isinstance(response, Mapping) else None
        text = clean_text(status, max_length=40) if isinstance(status, str) else ""
        return cls(deletion_id, " ".join(text.lower().replace("_", " ").split()))


def parse_emails(emails: object) -> tuple[str, ...]:
    """Read e-mail addresses as a DAG author or a template gives them; an address that comes twice counts once.

    :param emails: an iterable of addresses, one address, or a JSON list of them.
    :raises MaestroQAConfigError: one of them is no address, or there is no list at all. The message names its
        position, from 0, and never the address.
    """
    if isinstance(emails, str):
        emails = _from_text(emails)
    if isinstance(emails, (bytes, Mapping)) or not isinstance(emails, Iterable):
        raise MaestroQAConfigError(
            f"emails must be a list of e-mail addresses, got {type(emails).__name__}. Check what gives them."
        )
    read: dict[str, str] = {}
    for position, email in enumerate(emails):
        problem = ""
        try:
            read.setdefault(as_email(email).casefold(), str(email))
        except PydanticCustomError as error:
            problem = error.message()
        if problem:
            row = " (of a row, pass its column, such as row[0])" if isinstance(email, (list, tuple, Mapping)) else ""
            # Raised here, so that the library's error, which may hold the address, is not its context.
            raise MaestroQAConfigError(f"emails[{position}] {problem}{row}. Nothing was requested.")
    return tuple(read.values())


def _from_text(text: str) -> object:
    if not text.strip():
        raise MaestroQAConfigError("emails is empty text. Pass a list of e-mail addresses; an empty list is allowed.")
    if not text.lstrip().startswith("["):
        return [text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    raise MaestroQAConfigError("emails is text that is no JSON list. In a template, write {{ … | tojson }}.")


def split_emails(emails: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut addresses into as many as one request takes."""
    size = ENDPOINTS["request_data_deletion"].batch_size or 1
    for start in range(0, len(emails), size):
        yield emails[start : start + size]


def parse_audit_label(label: object, emails: Sequence[str]) -> str | None:
    """Read the label for MaestroQA's audit log; it must hold no address, because it is shown in many places.

    :raises MaestroQAConfigError: it is no text, or it holds one of the addresses.
    """
    if label is None:
        return None
    if not isinstance(label, str) or not label.strip():
        raise MaestroQAConfigError(f"audit_label must be text, got {type(label).__name__} without a character in it.")
    if any(email.casefold() in label.casefold() for email in emails):
        raise MaestroQAConfigError(
            "audit_label holds an e-mail address that is to be deleted, and would keep it. Use the id of the request."
        )
    return label


def deletion_request(emails: Sequence[str], audit_label: str | None) -> Request:
    """Build the request for some deletions; no message about its response will hold an address."""
    request = build_request("request_data_deletion", {"emails": list(emails), "auditLabel": audit_label})
    return replace(request, secrets=tuple(emails))


def read_deletion_id(request: Request, response: Any) -> str:
    """Read the id of a deletion that was requested.

    :raises MaestroQAServerError: MaestroQA does not confirm the deletion, or gives no id to look it up by.
    """
    fields = response if isinstance(response, Mapping) else {}
    deletion_id = read_id(fields.get("id"))
    where = (200, request.method, request.path)
    if fields.get("confirmation") is False:
        raise MaestroQAServerError(*where, "MaestroQA does not confirm the deletion. A retry requests it again.")
    if deletion_id is None or "@" in deletion_id:
        raise MaestroQAServerError(
            *where, "the response has no id by which the deletion can be looked up. A retry requests it again."
        )
    return deletion_id
