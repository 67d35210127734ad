"""A storage URL and an Airflow connection become a store: S3 through boto3, everything else through fsspec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

if TYPE_CHECKING:
    from airflow_provider_maestroqa.storage.base import Store

_S3_SCHEMES = ("s3", "s3a", "s3n")


def open_s3_store(*, bucket: str, prefix: str, aws_conn_id: str | None) -> Store:
    """Open a prefix of an S3 bucket with an AWS connection.

    :param bucket: the bucket's name.
    :param prefix: what every key begins with; slashes at its ends do not matter.
    :param aws_conn_id: id of the AWS connection; ``None`` leaves it to boto3's own chain.
    :raises MaestroQAConfigError: the Amazon provider is not installed, or the bucket is missing.
    """
    from airflow_provider_maestroqa.storage.s3_store import S3Store

    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise MaestroQAConfigError("S3 needs the Amazon provider: pip install 'airflow-provider-maestroqa[amazon]'.")
    if not isinstance(bucket, str) or not bucket or "/" in bucket:
        raise MaestroQAConfigError(f"s3_bucket must be a bucket's name, without s3:// or a key, got {bucket!r}.")
    return S3Store(S3Hook(aws_conn_id=aws_conn_id).get_conn(), bucket, prefix)


def open_store(url: str, *, conn_id: str | None = None) -> Store:
    """Open the place that a storage URL names.

    :param url: ``s3://…``, ``gs://…``, ``abfs://…``, ``file:///…`` or any other for which Airflow has a
        filesystem. The connection may stand in it, as in ``s3://my_conn@bucket/prefix``.
    :param conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :raises MaestroQAConfigError: the URL is no storage URL, or nothing is installed for its scheme.
    """
    if not isinstance(url, str) or "://" not in url:
        raise MaestroQAConfigError(f"{url!r} is no storage URL. Write it like s3://bucket/prefix or file:///folder.")
    # No urlsplit: a key may hold ? and #, which part nothing here.
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    owner, _, bucket = host.rpartition("@")
    if scheme in _S3_SCHEMES:
        return open_s3_store(bucket=bucket, prefix=slash + path, aws_conn_id=conn_id or owner or "aws_default")
    from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

    try:
        filesystem = _compat.get_fs(scheme, conn_id or owner or None)
        return FilesystemStore(filesystem, bucket + slash + path, scheme)
    except (ImportError, ValueError) as error:
        problem = str(error)
    raise MaestroQAConfigError(
        f"{scheme}:// cannot be opened ({problem}). Install the Airflow provider for this storage, and check "
        "the URL and its connection."
    )


@dataclass(frozen=True)
class StoredObject:
    """One small object in a store, such as a task's state.

    :param store: where it is.
    :param name: its name there.
    """

    store: Store
    name: str

    @property
    def uri(self) -> str:
        """The object's address."""
        return self.store.uri(self.name)

    def read(self) -> bytes | None:
        """Read it whole; ``None`` when it is not there."""
        return self.store.get_bytes(self.name)

    def write(self, content: bytes) -> None:
        """Replace it atomically."""
        self.store.put_bytes(self.name, content)

    def delete(self) -> None:
        """Remove it, if it is there."""
        self.store.delete(self.name)


def open_object(url: str, *, conn_id: str | None = None) -> StoredObject:
    """Open one object by its storage URL; a plain absolute path is a local file.

    :raises MaestroQAConfigError: the URL is no storage URL, or names no object.
    """
    if isinstance(url, str) and url.startswith("/"):
        url = f"file://{url}"
    folder, _, name = url.rpartition("/") if isinstance(url, str) else ("", "", "")
    if not name or not folder or folder.endswith(":/"):
        raise MaestroQAConfigError(f"{url!r} names no object. Write it like s3://bucket/state/task.json.")
    return StoredObject(open_store(folder, conn_id=conn_id), name)
