"""The storage host: presigned downloads as S3 serves them, with Range, If-Range and ETag, and presigned uploads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import context_of
from airflow_provider_maestroqa.sandbox.responses import LOGIN_PAGE, storage_error
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.storage.delivery import Delivery, deliver
from airflow_provider_maestroqa.sandbox.storage.stored_object import StoredObject
from airflow_provider_maestroqa.sandbox.storage.uploads import receive_upload

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


routes = web.RouteTableDef()


@routes.route("*", "/{key:.*}")
async def _serve(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    faults = context_of(request).faults
    kinds = {fault.kind for fault in faults}
    if "apitoken" in request.headers or "Authorization" in request.headers:
        return storage_error(
            400, "InvalidArgument", "Only one auth mechanism allowed; a presigned URL needs no header."
        )
    if "expired_url" in kinds:
        state.signer.expire(request.query.get("X-Amz-Signature", ""))
    headers = {name.lower(): value for name, value in request.headers.items()}
    rejection = state.signer.rejection(
        request.method, request.host, request.path, request.query, state.clock(), headers
    )
    if rejection:
        return storage_error(403, *rejection)
    if request.method == "PUT":
        return await receive_upload(request)
    if request.path not in state.exports.objects:
        return storage_error(404, "NoSuchKey", "The specified key does not exist.")
    await _replace(state, request.path, faults)
    if "html_200" in kinds:
        return web.Response(text=LOGIN_PAGE, content_type="text/html")
    if "xml_200" in kinds:
        return storage_error(200, "InternalError", "We encountered an internal error. Please try again.")
    if "empty_file" in kinds:
        return web.Response(body=b"", content_type=state.exports.objects[request.path].content_type)
    delivery = _plan(request, state.exports.objects[request.path], kinds)
    if isinstance(delivery, web.Response):
        return delivery
    delivery.apply_faults(faults, state.exports.objects[request.path].size)
    if "expire_after_bytes" in kinds:
        state.signer.expire(request.query["X-Amz-Signature"])
    return await deliver(request, delivery)


async def _replace(state: State, key: str, faults: Sequence[Fault]) -> None:
    """Replace the object, where a fault says so."""
    export = state.exports.by_id[key.split("/")[2]]
    for fault in faults:
        if fault.kind == "changed":
            await state.exports.change(export)
        elif fault.kind == "zipped":
            await state.exports.recompress(export)
        elif fault.kind == "replace_file":
            data = fault.body if fault.file is None else Path(fault.file)
            await state.exports.replace(export, data.encode() if isinstance(data, str) else data)


def _plan(request: web.Request, stored: StoredObject, kinds: set[str]) -> Delivery | web.Response:
    options = state_of(request).options
    etag = {"md5": stored.etag, "other": f'"{stored.md5}-2"', "none": ""}[options.storage_etag]
    modified = formatdate(stored.modified, usegmt=True)
    headers = {
        "Content-Type": stored.content_type,
        "Last-Modified": modified,
        "Accept-Ranges": "bytes",
        "x-amz-server-side-encryption": "AES256",
        "Server": "AmazonS3",
        "ETag": etag,
    }
    if "no_etag" in kinds or not etag:
        del headers["ETag"]
    if options.no_ranges:
        del headers["Accept-Ranges"]
    if request.headers.get("If-Match", etag) not in (etag, "*"):
        return storage_error(
            412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
        )
    whole = Delivery(stored.file, 200, 0, stored.size, headers)
    byte_range = None if "no_range" in kinds or options.no_ranges else request.headers.get("Range")
    if byte_range is None or request.headers.get("If-Range", etag) not in (etag, modified):
        return whole
    match = _RANGE.fullmatch(byte_range.strip())
    if match is None or match.groups() == ("", ""):
        return whole
    start, stop = _bounds(match[1], match[2], stored.size)
    if start >= stop:
        return storage_error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            {"Content-Range": f"bytes */{stored.size}"},
        )
    if "wrong_range" in kinds:
        start = start + 1 if start + 1 < stop else max(0, start - 1)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
    return Delivery(stored.file, 206, start, stop, headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
