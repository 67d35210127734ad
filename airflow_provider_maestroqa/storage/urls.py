"""Storage URLs: the only parser of them, and the only table of their schemes."""

from __future__ import annotations

import re
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
#: Schemes of Azure that Airflow's file system does not know, but means the same by.
AIRFLOW_SCHEMES = dict.fromkeys(("az", "wasb", "wasbs"), "abfs")
#: Storage → the connection that Airflow's hooks for it use where none is named.
DEFAULT_CONNECTIONS = {S3: "aws_default", GCS: "google_cloud_default", AZURE: "wasb_default"}
_AZURE_FORM = "abfss://container@account.dfs.core.windows.net/folder"
#: Hosts of storages' web addresses → how the address is written here.
_WEB_FORMS = (
    (".core.windows.net", _AZURE_FORM),
    ("storage.googleapis.com", "gs://bucket/folder"),
    ("storage.cloud.google.com", "gs://bucket/folder"),
    (".amazonaws.com", "s3://bucket/folder"),
)
#: An access point, written with a slash or a colon, may stand in place of a bucket.
_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:s3|s3-object-lambda):[a-z0-9-]*:\d{12}:accesspoint[/:][A-Za-z0-9.-]{1,63}"
    r"|arn:aws[a-z-]*:s3-outposts:[a-z0-9-]+:\d{12}:outpost[/:][A-Za-z0-9-]{1,63}[/:]accesspoint[/:][A-Za-z0-9-]{1,63}"
)


def is_access_point(bucket: str) -> bool:
    """Whether a bucket is written as the ARN of an access point."""
    return _ARN.fullmatch(bucket) is not None


@dataclass(frozen=True)
class StorageUrl:
    """The parts of a storage URL.

    :param scheme: ``s3``, ``gs``, ``abfs``, ``file`` or any other.
    :param conn_id: id of the connection before the ``@``; empty without one.
    :param bucket: the bucket, container or access point; empty for local files. For Azure it may be
        ``container@account…``.
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
    def container(self) -> str:
        """The bucket without Azure's account."""
        return self.bucket.partition("@")[0]

    @property
    def account(self) -> str:
        """Azure's account; empty where the URL does not name it."""
        return self.bucket.partition("@")[2].partition(".")[0]

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
        conn_id, _, container = conn_id.rpartition("@")
        if not container:
            raise MaestroQAConfigError(f"{url} names no container. Write it like {_AZURE_FORM}.")
        bucket = f"{container}@{bucket}"
    elif STORAGES.get(scheme) == S3 and bucket.startswith("arn:"):
        access_point = _ARN.match(f"{bucket}/{key}")
        if access_point is None:
            raise MaestroQAConfigError(
                f"{bucket} is no access point. Write it like s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/name/key."
            )
        bucket, key = access_point[0], f"{bucket}/{key}"[access_point.end() :].removeprefix("/")
    elif scheme in ("http", "https"):
        form = next((form for host, form in _WEB_FORMS if authority.partition(":")[0].endswith(host)), "")
        remedy = f"Write it like {form}." if form else "Write it like s3://bucket/folder or file:///folder."
        raise MaestroQAConfigError(
            f"A web address of {authority.rpartition('@')[2]} is no storage URL here. {remedy}"
        )
    return StorageUrl(scheme, conn_id, bucket, key)


def local_path(text: str) -> Path | None:
    """The path that a plain path or a ``file://`` URL names; ``None`` for any other URL."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    return Path(rest) if scheme == LOCAL else None
