"""The arguments of an attachment, validated before a request is spent on it. (API: Create an Attachment)

The id of an attachment is computed from what it is, unless the caller passes one. So a task that runs twice sends the
same id twice, and MaestroQA does not get two attachments.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_flag, parse_id, parse_time

_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
# The value becomes a header, so nothing of it may end a line.
_CONTENT_TYPE = re.compile(rf'{_NAME}/{_NAME}(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|"[ !#-\[\]-~]*"))*', re.ASCII)
_WEB_SCHEMES = ("http", "https")


def attachment_parameters(
    *,
    ticket_id: object,
    content_type: object,
    url: object = None,
    attachment_id: object = None,
    author_id: object = None,
    public: object = None,
    timestamp: object = None,
) -> dict[str, Any]:
    """Validate the arguments of an attachment, and translate them to the API's names and forms.

    :param ticket_id: the ticket's id.
    :param content_type: ``type/subtype`` of the file.
    :param url: where MaestroQA can read the file.
    :param attachment_id: the attachment's id.
    :param author_id: an agent or customer.
    :param public: whether the attachment's comment is public; the text ``true`` or ``false`` will do.
    :param timestamp: an aware datetime, or ISO 8601 text with a time zone; it becomes UTC.
    :return: the parameters that are not ``None``.
    :raises MaestroQAConfigError: a value cannot be sent; the message names the argument.
    """
    parameters = {
        "ticket_id": parse_id(ticket_id, "ticket_id"),
        "content_type": _parse_content_type(content_type),
        "url": None if url is None else _parse_url(url),
        "id": None if attachment_id is None else parse_id(attachment_id, "attachment_id"),
        "author_id": None if author_id is None else parse_id(author_id, "author_id"),
        "public": None if public is None else parse_flag(public, "public"),
        "timestamp": None if timestamp is None else format_time(parse_time(timestamp, "timestamp")),
    }
    return {name: value for name, value in parameters.items() if value is not None}


def id_for_file(ticket_id: str, content_type: str, sha256: str) -> str:
    """The id of a file's attachment: the same for the same bytes, of the same type, on the same ticket."""
    return _id_of("file", ticket_id, content_type, sha256)


def id_for_url(ticket_id: str, content_type: str, url: str) -> str:
    """The id of a URL's attachment: the same for the same URL, of the same type, on the same ticket."""
    return _id_of("url", ticket_id, content_type, url)


def _parse_content_type(value: object) -> str:
    """Validate a MIME type.

    :raises MaestroQAConfigError: it is not one.
    """
    if isinstance(value, str) and _CONTENT_TYPE.fullmatch(value):
        return value
    raise MaestroQAConfigError(
        f"content_type must be a type and a subtype, got {value!r}. Write it like audio/mpeg or image/png."
    )


def _parse_url(value: object) -> str:
    """Validate the URL of a file that MaestroQA is to read. No message shows its query, which may be a signature.

    :raises MaestroQAConfigError: MaestroQA could not read it.
    """
    if isinstance(value, str) and value.isprintable() and not any(character.isspace() for character in value):
        try:
            parts = urlsplit(value)
            usable = parts.scheme.lower() in _WEB_SCHEMES and bool(parts.hostname)
        except ValueError:
            usable = False
        if usable:
            return value
    shown = repr(value.partition("?")[0].rpartition("@")[2][:80]) if isinstance(value, str) else type(value).__name__
    raise MaestroQAConfigError(
        f"url must be an address that begins with https:// or http://, got {shown}. Pass a file on this machine or "
        "in an object storage as file instead."
    )


def _id_of(type_: str, *parts: str) -> str:
    digest = hashlib.sha256(json.dumps([type_, *parts]).encode()).hexdigest()
    return f"airflow-{digest[:40]}"
