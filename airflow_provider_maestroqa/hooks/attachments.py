"""The hook's methods for attachments."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConflictError,
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.presigned import host_of
from airflow_provider_maestroqa.client.resources.attachments import attachment_parameters, id_for_file, id_for_url
from airflow_provider_maestroqa.client.resources.upload_body import FileDigest, Source, compute_digest
from airflow_provider_maestroqa.client.resources.uploads import upload
from airflow_provider_maestroqa.client.server_text import clean_text, read_id
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.hooks.signed_urls import secrets_to_mask
from airflow_provider_maestroqa.runtime.lineage import record_written

_MAX_SHOWN_ID = 80


class AttachmentMethods(BaseMaestroQAHook):
    """Attachments of tickets: files that you upload, or URLs that MaestroQA reads. (API: Create an Attachment)"""

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
        """Attach the file at a URL to a ticket; without a URL, request one to upload to. (API: Create an Attachment)

        Without a ``url`` the response has a ``presigned_url``, which accepts the bytes for ten minutes. It is a
        secret: whoever has it can upload a file. It is masked in the task's log; do not print, store or return it.
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
        :return: MaestroQA's response: ``id`` and, without a ``url``, ``presigned_url``.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAConflictError: the id is taken by another attachment.
        :raises MaestroQAOutcomeUnknownError: the response was lost, and the attachment may or may not exist.
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
        # Its query may be a signature.
        for secret in secrets_to_mask(url)[1:]:
            _compat.mask_secret(secret)
        own_id = id_for_url(ticket_id, content_type, url)
        parameters.setdefault("id", own_id)
        try:
            attachment = self._create(parameters)
        except (MaestroQAConflictError, MaestroQAOutcomeUnknownError):
            # No other attachment has an id that is made of the URL, so the URL is attached.
            if parameters["id"] != own_id:
                raise
            self.log.info("The file at %s is already attached to ticket %s: %s.", host_of(url), ticket_id, own_id)
            return {"id": own_id}
        self.log.info(
            "Attached the file at %s to ticket %s: attachment %s.", host_of(url), ticket_id, attachment["id"]
        )
        return attachment

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
        """Upload a file and attach it to a ticket, streamed in constant memory.

        The file is read twice: for its digest, and for the upload. Another call with the same file uploads it again
        under the same id, where MaestroQA allows it.

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
        :raises MaestroQADataError: the file is missing, empty or too large; or it changed during the upload.
        :raises MaestroQAConflictError: the id is taken: the file was attached before, or an earlier try ended before
            the upload.
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
        digest = compute_digest(source)
        parameters.setdefault("id", id_for_file(ticket_id, content_type, digest.sha256))
        return self._upload(source, digest, parameters)

    def _upload(self, source: Source, digest: FileDigest, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = f"attachment {parameters['id']} of ticket {parameters['ticket_id']}"
        self.log.info(
            "Uploading %s (%s, %s) as %s.", source.name, format_size(digest.size), parameters["content_type"], name
        )
        attachment_id, url = self._request_upload_url(name, parameters)
        try:
            with self.storage_session() as session:
                upload(
                    source,
                    digest,
                    attachment=name,
                    content_type=parameters["content_type"],
                    url=url,
                    fresh_url=lambda: self._request_upload_url(name, parameters, attachment_id=attachment_id)[1],
                    session=session,
                    timeouts=self.settings.timeouts,
                    log=self.log.info,
                    clock=self.clock,
                    allow_http=self.settings.allow_http,
                )
        except MaestroQAError:
            self.log.warning("MaestroQA has %s, but it is not confirmed that it has its bytes.", name)
            raise
        self.log.info("Uploaded %s: attachment %s is complete.", source.name, attachment_id)
        return {"id": attachment_id}

    def _request_upload_url(
        self, name: str, parameters: Mapping[str, Any], *, attachment_id: str | None = None
    ) -> tuple[str, str]:
        """Request a URL to upload the bytes to.

        :param attachment_id: the id that MaestroQA assigned, where a fresh URL is requested.
        :return: the id that MaestroQA assigns, and the presigned URL.
        """
        try:
            attachment = self._create(parameters)
        except MaestroQAConflictError as error:
            if attachment_id is None:
                raise
            problem = f"MaestroQA created the attachment, and then returned no fresh URL for its bytes ({error})"
        else:
            url = attachment.get("presigned_url")
            if not isinstance(url, str) or not url:
                problem = "MaestroQA returned no URL for the bytes"
            elif attachment_id not in (None, attachment["id"]):
                problem = f"A fresh URL for attachment {attachment_id} belongs to another one: {attachment['id']}"
            else:
                return attachment["id"], url
        raise MaestroQAOutcomeUnknownError(
            f"{problem}. It is not known whether {name} has its bytes. Look at the ticket in MaestroQA."
        )

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        record_written(self, "attachments")
        try:
            response = self.client.send(build_request("create_attachment", parameters))
        except MaestroQAConflictError as error:
            conflict = _explain_conflict(error, parameters)
        else:
            return self._read_attachment(response, parameters["id"])
        raise conflict

    def _read_attachment(self, response: object, requested_id: str) -> dict[str, Any]:
        attachment = dict(response) if isinstance(response, Mapping) else {}
        for secret in secrets_to_mask(attachment.get("presigned_url")):
            _compat.mask_secret(secret)
        assigned = attachment.get("id")
        assigned_id = assigned if assigned == requested_id else read_id(assigned)
        if assigned_id is None:
            if isinstance(assigned, str) and assigned:
                self.log.warning(
                    "MaestroQA responded with %r for the attachment's id, which is none. %s is taken for it.",
                    clean_text(assigned, max_length=_MAX_SHOWN_ID),
                    requested_id,
                )
            assigned_id = requested_id
        elif assigned_id != requested_id:
            self.log.warning(
                "MaestroQA assigned the id %s to the attachment, not %s: a task that is repeated may attach twice.",
                assigned_id,
                requested_id,
            )
        return {**attachment, "id": assigned_id}


def _explain_conflict(error: MaestroQAConflictError, parameters: Mapping[str, Any]) -> MaestroQAError:
    """Make an error that says what it means that the id is taken."""
    name = f"{parameters['id']} of ticket {parameters['ticket_id']}"
    if error.after_ambiguous_failure:
        return MaestroQAOutcomeUnknownError(
            f"{error.message} The response to an earlier try was lost, so that try may have taken the id. It is not "
            f"known whether attachment {name} exists; an uploaded file is without its bytes. Look at the ticket in "
            f"MaestroQA, and attach it with another attachment_id if necessary."
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
