"""Lands exports in S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.transfers.land_export import LandExportOperator

if TYPE_CHECKING:
    from airflow_provider_maestroqa.storage.base import Store


class MaestroQAExportToS3Operator(LandExportOperator):
    """Land a complete export in S3: download, check the whole archive, publish each file atomically.

    The export's files become ``<s3_prefix>/<file>``; the manifest ``<s3_prefix>/_manifest.json`` comes last: it is
    the commit. The same export gives the same keys, so give each run a prefix of its own. A second run does nothing
    when the manifest already matches. S3 checks each whole object against a checksum.

    All arguments are templated.

    :param s3_bucket: the bucket's name, or the ARN of an access point.
    :param s3_prefix: what every key begins with.
    :param aws_conn_id: id of the AWS connection; ``None`` leaves it to boto3's own chain.
    :param s3_extra_args: arguments for boto3's requests, such as ``{"ServerSideEncryption": "aws:kms", "ACL":
        "bucket-owner-full-control"}``; each request gets those that it knows. They are added to ``s3_extra_args`` in
        the connection's extra, and win over it.

    The other arguments are those of all landings of exports.

    :return: the manifest: ``{"export_id", "has_data", "destination", "window", "files": [{"name", "uri", "bytes",
        "sha256", "content_bytes", "crc32", "rows"?}], "manifest"}``; sizes in bytes. Cleaned files also have
        ``columns``, ``natural_key``, ``duplicate_keys``, ``null_counts`` and ``unreadable_dates``.
    :raises AirflowFailException: a retry could not help: wrong arguments, a rejected token, a failed export, an
        unsafe archive, a file that cannot be cleaned, or no data with ``on_no_data="fail"``.
    :raises MaestroQAExportTimeoutError: the export is not complete yet.
    :raises MaestroQAError: the download or the storage failed; nothing partial is visible.
    """

    template_fields: Sequence[str] = (
        "s3_bucket",
        "s3_prefix",
        "aws_conn_id",
        "s3_extra_args",
        *LandExportOperator.template_fields,
    )
    template_fields_renderers = {**LandExportOperator.template_fields_renderers, "s3_extra_args": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        s3_bucket: str,
        s3_prefix: str,
        aws_conn_id: str | None = "aws_default",
        s3_extra_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.s3_bucket = s3_bucket
        self.s3_prefix = s3_prefix
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args

    def _open_store(self) -> Store:
        from airflow_provider_maestroqa.storage.open import open_s3_store

        return open_s3_store(
            bucket=self.s3_bucket,
            prefix=self.s3_prefix,
            aws_conn_id=self.aws_conn_id,
            extra_args=self.s3_extra_args,
        )
