"""Small objects that are replaced by compare and swap, in each of the clouds' storages.

Every call sends one request and waits for it for a few seconds only; whoever calls tries again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

from airflow_provider_maestroqa.client.budget.stores.swapping import StoredDocument, SwapLostError
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.base import ABSENT, check_name, translate_errors
from airflow_provider_maestroqa.storage.s3_objects import S3Objects, error_code, is_missing

T = TypeVar("T")

#: One response that does not come must not use up all the time there is for retries. Seconds.
ANSWER_S = 3.0
_LOST = (409, 412)
_S3_LOST = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_S3_NO_CONDITIONS = ("NotImplemented", "501")


class ServiceError(Exception):
    """A response that is no success.

    :param status_code: the HTTP status.
    :param message: what the service says.
    """

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(f"HTTP {status_code}: {message}")
        self.status_code = status_code


class S3SwapObjects:
    """In Amazon S3 or a compatible store.

    :param objects: the prefix, with a client that neither repeats requests nor waits long.
    """

    def __init__(self, objects: S3Objects) -> None:
        self._objects = objects
        self.name = objects.uri()

    def read(self, name: str) -> StoredDocument:
        """Read an object."""

        def get() -> StoredDocument:
            try:
                response = self._objects.client.get_object(**self._objects.request_args("GetObject", name))
            except Exception as error:
                if is_missing(error):
                    return StoredDocument(None, ABSENT, _s3_date(getattr(error, "response", {})))
                raise
            return StoredDocument(response["Body"].read(), response["ETag"], _s3_date(response))

        return translate_errors("read", self._objects.uri(name), get)

    def swap(self, name: str, content: bytes, version: str) -> StoredDocument:
        """Replace an object that has a version, or create it."""
        condition = {"IfNoneMatch": "*"} if version == ABSENT else {"IfMatch": version}

        def put() -> StoredDocument:
            arguments = {
                **self._objects.create_args("PutObject", name, None),
                **self._objects.checksum_args(content),
                **condition,
            }
            try:
                response = self._objects.client.put_object(Body=content, **arguments)
            except Exception as error:
                if error_code(error) in _S3_LOST or (version != ABSENT and is_missing(error)):
                    raise SwapLostError from None
                if error_code(error) in _S3_NO_CONDITIONS:
                    raise _no_conditions(self.name) from None
                raise
            return StoredDocument(content, response["ETag"], _s3_date(response))

        return _translate("write", self._objects.uri(name), put)

    def delete(self, name: str) -> None:
        """Delete an object."""
        arguments = self._objects.request_args("DeleteObject", name)
        translate_errors("delete", self._objects.uri(name), lambda: self._objects.client.delete_object(**arguments))


class _FilesystemObjects:
    """Below a prefix of an asynchronous file system of fsspec, whose credentials it uses."""

    def __init__(self, fs: Any, root: str, address: str) -> None:
        self._fs = fs
        self._container, _, prefix = root.strip("/").partition("/")
        self._prefix = check_name(prefix.strip("/"), "prefix")
        self.name = address.rstrip("/")

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _run(self, action: str, name: str, call: Callable[[str], Awaitable[T]]) -> T:
        from fsspec.asyn import sync

        async def bounded() -> T:
            return await asyncio.wait_for(call(self._key(name)), ANSWER_S)

        def run() -> T:
            # The time-out here is for a loop that no longer runs, as when the interpreter ends.
            result: T = sync(self._fs.loop, bounded, timeout=ANSWER_S + 1)
            return result

        return _translate(action, f"{self.name}/{name}", run)


class GcsSwapObjects(_FilesystemObjects):
    """In Google Cloud Storage, with the file system of gcsfs."""

    def read(self, name: str) -> StoredDocument:
        """Read an object."""

        async def get(key: str) -> StoredDocument:
            path = f"storage/v1/b/{quote(self._container, safe='')}/o/{quote(key, safe='')}"
            status, headers, body = await self._request("GET", path, {"alt": "media"})
            # "No such object" is followed by the bucket's name, which may be any.
            if status == 404 and "bucket does not exist" not in _google_message(body).lower():
                return StoredDocument(None, ABSENT, _date(headers))
            _require_success(status, _google_message(body))
            return StoredDocument(body, headers.get("x-goog-generation", ""), _date(headers))

        return self._run("read", name, get)

    def swap(self, name: str, content: bytes, version: str) -> StoredDocument:
        """Replace an object that has a version, or create it."""

        async def put(key: str) -> StoredDocument:
            path = f"upload/storage/v1/b/{quote(self._container, safe='')}/o"
            query = {"uploadType": "multipart", "ifGenerationMatch": version or "0"}
            metadata = json.dumps({"name": key, "contentType": "application/json"})
            parts = (metadata.encode(), content)
            form = b"".join(b"--=_\r\nContent-Type: application/json\r\n\r\n" + part + b"\r\n" for part in parts)
            status, headers, body = await self._request("POST", path, query, form + b"--=_--\r\n")
            if status in _LOST:
                raise SwapLostError
            _require_success(status, _google_message(body))
            return StoredDocument(content, str(json.loads(body)["generation"]), _date(headers))

        return self._run("write", name, put)

    def delete(self, name: str) -> None:
        """Delete an object."""

        async def delete(key: str) -> None:
            path = f"storage/v1/b/{quote(self._container, safe='')}/o/{quote(key, safe='')}"
            status, _, body = await self._request("DELETE", path, {})
            _require_success(200 if status == 404 else status, _google_message(body))

        self._run("delete", name, delete)

    def require_bucket(self, name: str) -> None:
        """Ensure, as far as it can be seen, that the bucket exists in which an object was not found.

        :raises MaestroQAConfigError: it does not.
        """

        async def look(_key: str) -> None:
            path = f"storage/v1/b/{quote(self._container, safe='')}/o"
            status, _, body = await self._request("GET", path, {"maxResults": "1", "fields": "kind"})
            if status == 404:
                _require_success(status, _google_message(body))

        self._run("look up", name, look)

    async def _request(
        self, method: str, path: str, query: Mapping[str, str], content: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        # Not the file system's own call, which repeats requests for a minute and hides what was answered.
        await self._fs._set_session()
        headers = self._fs._get_headers({"Content-Type": 'multipart/related; boundary="=_"'} if content else None)
        async with self._fs.session.request(
            method, f"{self._fs._location}/{path}", params=query, headers=headers, data=content
        ) as response:
            return response.status, response.headers, await response.read()


class AzureSwapObjects(_FilesystemObjects):
    """In Azure Blob Storage, with the file system of adlfs."""

    def read(self, name: str) -> StoredDocument:
        """Read an object."""

        async def get(key: str) -> StoredDocument:
            from azure.core.exceptions import ResourceNotFoundError

            dates: list[float | None] = []
            try:
                async with self._blob(key) as blob:
                    stream = await blob.download_blob(**_azure_options(dates))
                    return StoredDocument(await stream.readall(), str(stream.properties.etag), dates[0])
            except ResourceNotFoundError as error:
                if "Container" in str(getattr(error, "error_code", "")):
                    raise
                return StoredDocument(None, ABSENT, dates[0] if dates else None)

        return self._run("read", name, get)

    def swap(self, name: str, content: bytes, version: str) -> StoredDocument:
        """Replace an object that has a version, or create it."""

        async def put(key: str) -> StoredDocument:
            from azure.core import MatchConditions
            from azure.core.exceptions import HttpResponseError

            dates: list[float | None] = []
            condition: dict[str, Any] = {"overwrite": False}
            if version != ABSENT:
                condition = {"overwrite": True, "etag": version, "match_condition": MatchConditions.IfNotModified}
            try:
                async with self._blob(key) as blob:
                    answer = await blob.upload_blob(content, **condition, **_azure_options(dates))
            except HttpResponseError as error:
                is_container = "Container" in str(getattr(error, "error_code", ""))
                if error.status_code in _LOST or (error.status_code == 404 and not is_container):
                    raise SwapLostError from None
                raise
            return StoredDocument(content, str(answer["etag"]), dates[0] if dates else None)

        return self._run("write", name, put)

    def delete(self, name: str) -> None:
        """Delete an object."""

        async def delete(key: str) -> None:
            from azure.core.exceptions import ResourceNotFoundError

            try:
                async with self._blob(key) as blob:
                    await blob.delete_blob(**_azure_options([]))
            except ResourceNotFoundError:
                pass

        self._run("delete", name, delete)

    def require_bucket(self, name: str) -> None:
        """Ensure that the container exists in which an object was not found.

        :raises MaestroQAConfigError: it does not.
        """
        self.read(name)

    def _blob(self, key: str) -> Any:
        return self._fs.service_client.get_blob_client(self._container, key)


def _azure_options(dates: list[float | None]) -> dict[str, Any]:
    """Options of one request: no repetition; its response's date is added to a list."""

    def note(response: Any) -> None:
        dates.append(_date(response.http_response.headers))

    return {"retry_total": 0, "raw_response_hook": note}


def _translate(action: str, uri: str, call: Callable[[], T]) -> T:
    """Translate a storage's errors, but leave a lost swap as it is."""
    lost = False

    def guarded() -> T | None:
        nonlocal lost
        try:
            return call()
        except SwapLostError:
            lost = True
            return None

    result = translate_errors(action, uri, guarded)
    if lost:
        raise SwapLostError
    return result  # type: ignore[return-value]


def _no_conditions(name: str) -> MaestroQAConfigError:
    return MaestroQAConfigError(
        f"The storage of {name} does not support conditional writes (If-Match), so bookings would be lost. Keep the "
        "request budget in another storage, in Redis or in PostgreSQL: set rate_limit_store."
    )


def _s3_date(response: Mapping[str, Any]) -> float | None:
    return _date(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _date(headers: Mapping[str, str]) -> float | None:
    text = headers.get("date") or headers.get("Date")
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def _google_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _require_success(status: int, message: str) -> None:
    if status >= 300:
        raise ServiceError(status, message)
