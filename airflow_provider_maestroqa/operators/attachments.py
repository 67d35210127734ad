"""Attaches files to tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.base import MaestroQAOperator

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context


class MaestroQACreateAttachmentOperator(MaestroQAOperator):
    """Attach a file to a ticket: your own, or one that MaestroQA reads from a URL. (API: Create an Attachment)

    Pass either ``file`` or ``url``. A file is streamed in constant memory to MaestroQA's storage. The attachment's id
    is derived from what is attached, so a task that runs again does not attach twice.

    All arguments are templated.

    :param ticket_id: the ticket's id.
    :param content_type: MIME type of the file, such as ``audio/mpeg``.
    :param file: a path on the worker, or a storage URL: ``s3://…``, ``gs://…``, ``abfs://…``, ``file:///…``; at most
        5 GB, and not empty. The URL may name the connection, as in ``s3://my_conn@bucket/call.mp3``.
    :param url: where MaestroQA can read the file, instead of ``file``. ``https://…``.
    :param attachment_id: an id for the attachment. Default: one made of ``ticket_id``, ``content_type`` and the
        file's bytes, or the ``url``. Pass one for a URL whose signature changes, or to attach the same file twice.
    :param author_id: id of the agent or customer whose attachment it is.
    :param public: whether its comment is public. Default: MaestroQA's own, which is yes.
    :param timestamp: when it was written: an aware datetime, or ISO 8601 text with a time zone. Default: now.
    :param storage_conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :return: ``{"id"}``.
    :raises AirflowFailException: a retry could not help: wrong arguments, a missing, empty or changed file, a
        rejected token, an id that is taken, or it is unknown whether the attachment has its bytes.
    :raises MaestroQAConnectionError: MaestroQA or its storage could not be reached; Airflow retries the task.
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        "content_type",
        "file",
        "url",
        "attachment_id",
        "author_id",
        "public",
        "timestamp",
        "storage_conn_id",
        "maestroqa_conn_id",
    )
    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        ticket_id: str,
        content_type: str,
        file: str | None = None,
        url: str | None = None,
        attachment_id: str | None = None,
        author_id: str | None = None,
        public: bool | None = None,
        timestamp: datetime | str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.content_type = content_type
        self.file = file
        self.url = url
        self.attachment_id = attachment_id
        self.author_id = author_id
        self.public = public
        self.timestamp = timestamp
        self.storage_conn_id = storage_conn_id

    def execute(self, context: Context) -> dict[str, str]:
        """Attach the file, and return the attachment's id."""
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

        options: dict[str, Any] = {
            "attachment_id": self.attachment_id,
            "author_id": self.author_id,
            "public": self.public,
            "timestamp": self.timestamp,
        }
        with self.open_hook() as hook:
            if self.file is not None and self.url is None:
                options["storage_conn_id"] = self.storage_conn_id
                attachment = hook.upload_attachment(self.ticket_id, self.content_type, self.file, **options)
            elif self.url is not None and self.file is None:
                attachment = hook.create_attachment(self.ticket_id, self.content_type, url=self.url, **options)
            else:
                raise MaestroQAConfigError(
                    f"{'Both file and url are' if self.url is not None else 'Neither file nor url is'} given. Pass "
                    "one of them: file for a file of your own, url for one that MaestroQA can read itself."
                )
            return {"id": attachment["id"]}
