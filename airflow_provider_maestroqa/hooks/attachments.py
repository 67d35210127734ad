"""The hook's methods for attachments."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConflictError,
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.presigned import host_of, secrets_of
from airflow_provider_maestroqa.client.resources.attachments import attachment_parameters, id_for_file, id_for_url
from airflow_provider_maestroqa.client.resources.upload_body import Content, Source, look_through
from airflow_provider_maestroqa.client.resources.uploads import upload
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.runtime.lineage import record_written


class AttachmentMethods(BaseMaestroQAHook):
    """Attachments of tickets: files of yours, or files that MaestroQA reads. (API: Create an Attachment)"""

    def create_attachment(
        self,
        ticket_id: str,
        content_type: str,
        *,
        url: str | None = None,
        attachment_id: str | None = None,
        author_id: str | None = None,
        public: bool | None = None,
        timestamp: datetime | str | None = None,
    ) -> dict[str, Any]:
        """Attach the file at a URL to a ticket; without a URL, ask where to send it. (API: Create an Attachment)

        Without a ``url`` the answer has a ``presigned_url``, which takes the bytes for ten minutes. It is a secret:
        whoever has it can put a file there. It is masked in the task's log; do not print, store or return it.
        :meth:`upload_attachment` does all of this.

        :param ticket_id: the ticket's id.
        :param content_type: MIME type of the file, such as ``audio/mpeg``.
        :param url: where MaestroQA can read the file.
        :param attachment_id: an id for the attachment. Default: with a ``url``, one made of ``ticket_id``,
            ``content_type`` and ``url``, so that the same URL is not attached to a ticket twice (a URL whose
            signature changes is another URL); without, a random one.
        :param author_id: id of the agent or customer whose attachment it is.
        :param public: whether its comment is public. Default: MaestroQA's own, which is yes.
        :param timestamp: when it was written; an aware datetime or ISO 8601 text with a time zone. Default: now.
        :return: MaestroQA's answer: ``id`` and, without a ``url``, ``presigned_url``.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAConflictError: the id is taken by another attachment.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, and the attachment may or may not be there.
        """
        parameters = attachment_parameters(
            ticket_id=ticket_id,
            content_type=content_type,
            url=url,
            attachment_id=attachment_id,
            author_id=author_id,
            public=public,
            timestamp=timestamp,
        )
        if url is None:
            return self._create({"id": str(uuid.uuid4()), **parameters})
        if query := urlsplit(url).query:
            # It may be a signature.
            _compat.mask_secret(query)
        own_id = id_for_url(ticket_id, content_type, url)
        parameters.setdefault("id", own_id)
        try:
            answer = self._create(parameters)
        except (MaestroQAConflictError, MaestroQAOutcomeUnknownError):
            # An id that is made of the URL is no other attachment's, so the URL is attached.
            if parameters["id"] != own_id:
                raise
            answer = None
        if answer is None:
            self.log.info("The file at %s is attached to ticket %s already: %s.", host_of(url), ticket_id, own_id)
            return {"id": own_id}
        self.log.info("Attached the file at %s to ticket %s: attachment %s.", host_of(url), ticket_id, answer["id"])
        return answer

    def upload_attachment(
        self,
        ticket_id: str,
        content_type: str,
        file: str | os.PathLike[str],
        *,
        attachment_id: str | None = None,
        author_id: str | None = None,
        public: bool | None = None,
        timestamp: datetime | str | None = None,
        storage_conn_id: str | None = None,
    ) -> dict[str, Any]:
        """Attach a file of yours to a ticket, streamed in constant memory.

        The file is read twice: for its digest, and to send it. Calling again with the same file sends it again under
        the same id, where MaestroQA lets it.

        :param ticket_id: the ticket's id.
        :param content_type: MIME type of the file, such as ``audio/mpeg``.
        :param file: a path, or a storage URL such as ``s3://bucket/call.mp3``; at most 5 GB, and not empty.
        :param attachment_id: an id for the attachment. Default: one made of ``ticket_id``, ``content_type`` and the
            file's bytes, so that the same file is not attached to a ticket twice.
        :param author_id: id of the agent or customer whose attachment it is.
        :param public: whether its comment is public. Default: MaestroQA's own, which is yes.
        :param timestamp: when it was written; an aware datetime or ISO 8601 text with a time zone. Default: now.
        :param storage_conn_id: id of the storage's connection. Default: the one in the URL, else the provider's
            default.
        :return: ``{"id"}``.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQADataError: the file is missing, empty or too large; or it changed while it was sent.
        :raises MaestroQAConflictError: the id is taken: the file was attached before, or an earlier try ended before
            its bytes were sent.
        :raises MaestroQAOutcomeUnknownError: the attachment may or may not have its bytes.
        :raises MaestroQAConnectionError: the storage could not be reached; calling again is safe.
        """
        from airflow_provider_maestroqa.storage.open import open_file

        parameters = attachment_parameters(
            ticket_id=ticket_id,
            content_type=content_type,
            attachment_id=attachment_id,
            author_id=author_id,
            public=public,
            timestamp=timestamp,
        )
        source = open_file(file, conn_id=storage_conn_id)
        content = look_through(source)
        parameters.setdefault("id", id_for_file(ticket_id, content_type, content.sha256))
        return self._upload(source, content, parameters)

    def _upload(self, source: Source, content: Content, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = f"attachment {parameters['id']} of ticket {parameters['ticket_id']}"
        self.log.info(
            "Uploading %s (%s, %s) as %s.", source.name, format_size(content.size), parameters["content_type"], name
        )
        given_id, url = self._ask_where(name, parameters)
        try:
            with self.storage_session() as session:
                upload(
                    source,
                    content,
                    attachment=name,
                    content_type=parameters["content_type"],
                    url=url,
                    fresh_url=lambda: self._ask_where(name, parameters, given_id=given_id)[1],
                    session=session,
                    timeouts=self.settings.timeouts,
                    say=self.log.info,
                )
        except MaestroQAError:
            self.log.warning("MaestroQA has %s, but it was not confirmed that its bytes are there.", name)
            raise
        self.log.info("Uploaded %s: attachment %s is complete.", source.name, given_id)
        return {"id": given_id}

    def _ask_where(self, name: str, parameters: Mapping[str, Any], *, given_id: str | None = None) -> tuple[str, str]:
        """Ask where to send the bytes.

        :param given_id: the id that MaestroQA gave, when it is asked again.
        :return: the id that MaestroQA gives, and the presigned URL.
        """
        unknown = f"It is not known whether {name} has its bytes. Look at the ticket in MaestroQA."
        problem = ""
        try:
            answer = self._create(parameters)
        except MaestroQAConflictError as error:
            if given_id is None:
                raise
            problem = f"MaestroQA created the attachment, and then gave no fresh address for its bytes ({error})"
        else:
            url = answer.get("presigned_url")
            if not isinstance(url, str) or not url:
                problem = "MaestroQA answered without an address for the bytes"
            elif given_id not in (None, answer["id"]):
                problem = f"MaestroQA was asked again for attachment {given_id}, and gave another one: {answer['id']}"
            else:
                return answer["id"], url
        raise MaestroQAOutcomeUnknownError(f"{problem}. {unknown}")

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        record_written(self, "attachments")
        problem: MaestroQAError
        try:
            answer = self.client.send(build_request("create_attachment", parameters))
        except MaestroQAConflictError as error:
            problem = _explained(error, parameters)
        else:
            return self._read_attachment(answer, parameters["id"])
        raise problem

    def _read_attachment(self, answer: object, sent_id: str) -> dict[str, Any]:
        said = dict(answer) if isinstance(answer, Mapping) else {}
        for secret in secrets_of(said.get("presigned_url")):
            _compat.mask_secret(secret)
        given_id = said.get("id")
        if not isinstance(given_id, str) or not given_id:
            given_id = sent_id
        if given_id != sent_id:
            self.log.warning(
                "MaestroQA gave the attachment the id %s, and not %s: a task that is repeated may attach twice.",
                given_id,
                sent_id,
            )
        return {**said, "id": given_id}


def _explained(error: MaestroQAConflictError, parameters: Mapping[str, Any]) -> MaestroQAError:
    """Say what it means that the id is taken."""
    name = f"{parameters['id']} of ticket {parameters['ticket_id']}"
    if error.after_ambiguous_failure:
        return MaestroQAOutcomeUnknownError(
            f"{error.message} The answer to an earlier try was lost, so this may be its echo. It is not known "
            f"whether attachment {name} is there; a file of yours is without its bytes. Look at the ticket in "
            f"MaestroQA, and attach it with another attachment_id if need be."
        )
    cause = (
        "another attachment has this id. Pass another attachment_id"
        if "url" in parameters
        else "either this file was attached before, or an earlier try ended before its bytes were sent. Look at the "
        "ticket in MaestroQA; if the file is not there, attach it with another attachment_id"
    )
    return MaestroQAConflictError(
        error.status,
        error.method,
        error.path,
        f"{error.message} Attachment {name}: {cause}.",
        explained=error.explained,
    )
