"""Storage URLs: the only parser of them, and the only table of their schemes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

S3, GCS, AZURE, LOCAL = "s3", "gs", "azure", "file"
#: Scheme → the storage behind it. A scheme that is not here is a storage of its own.
STORAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), S3),
    **dict.fromkeys(("gs", "gcs"), GCS),
    **dict.fromkeys(("abfs", "abfss", "az", "adl", "wasb", "wasbs"), AZURE),
    "file": LOCAL,
}


@dataclass(frozen=True)
class StorageUrl:
    """The parts of a storage URL.

    :param scheme: ``s3``, ``gs``, ``abfs``, ``file`` or any other.
    :param conn_id: id of the connection before the ``@``; empty without one.
    :param bucket: the bucket or container; empty for local files. For Azure it may be ``container@account…``.
    :param key: what follows the bucket's slash.
    """

    scheme: str
    conn_id: str
    bucket: str
    key: str

    @property
    def storage(self) -> str:
        """Which storage this is: one of :data:`STORAGES`, or the scheme of any other."""
        return STORAGES.get(self.scheme, self.scheme)

    @property
    def namespace(self) -> str:
        """The bucket as OpenLineage names it, with one scheme for each storage."""
        return f"{self.storage if self.storage in (S3, GCS) else self.scheme}://{self.bucket}"


def parse_url(url: str) -> StorageUrl:
    """Parse a storage URL.

    :param url: such as ``s3://bucket/key``, ``s3://conn_id@bucket/key`` or ``file:///folder``.
    :raises MaestroQAConfigError: it is not a URL.
    """
    if not isinstance(url, str) or "://" not in url:
        raise MaestroQAConfigError(
            f"{url!r} is not a storage URL. Write it like s3://bucket/prefix or file:///folder."
        )
    # No urlsplit: a key may contain ? and #, which separate nothing here.
    scheme, _, rest = url.partition("://")
    authority, _, key = rest.partition("/")
    conn_id, _, bucket = authority.rpartition("@")
    if STORAGES.get(scheme) == AZURE and "." in bucket:
        # Azure's own form: container@account.dfs.core.windows.net. A container's name has no dot.
        conn_id, bucket = "", authority
    return StorageUrl(scheme, conn_id, bucket, key)


def local_path(text: str) -> Path | None:
    """The path that a plain path or a ``file://`` URL names; ``None`` for any other URL."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    return Path(rest) if scheme == LOCAL else None
