"""Presigned uploads: the bytes of attachments go to disk as they arrive, and count once all of them have arrived."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from airflow_provider_maestroqa.sandbox.data.account import Upload
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import context_of, pause, update_log
from airflow_provider_maestroqa.sandbox.responses import drop_connection, storage_error
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.storage.stored_object import HashingFile

_PIECE = 1 << 18
#: S3 takes no more in one piece.
_MAX_SIZE = 5 << 30


async def receive_upload(request: web.Request) -> web.StreamResponse:
    """Receive the bytes of an attachment whose presigned URL is valid."""
    state = state_of(request)
    length = request.content_length
    if length is None:
        return storage_error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if length > _MAX_SIZE:
        return storage_error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    signed = request.query["X-Amz-SignedHeaders"].split(";")
    if any(name.lower().startswith("x-amz-") and name.lower() not in signed for name in request.headers):
        return storage_error(403, "AccessDenied", "There were headers present in the request which were not signed")
    name = next((name for name, one in state.account.attachments.items() if one.key == request.path), None)
    if name is None:
        return storage_error(404, "NoSuchKey", "The specified key does not exist.")
    path = state.directory / f"upload-{secrets.token_hex(8)}"
    stored = False
    try:
        with path.open("wb") as file:
            target = HashingFile(file)
            arrived = await _receive(request, target, length)
        if not arrived:
            return web.Response()
        stored = _store(state, name, Upload(path, target.size, target.sha256, request.headers["Content-Type"]))
    finally:
        if not stored:
            path.unlink(missing_ok=True)
    headers = {"ETag": f'"{target.md5}"', "x-amz-server-side-encryption": "AES256", "Server": "AmazonS3"}
    return web.Response(headers=headers)


def _store(state: State, name: str, upload: Upload) -> bool:
    attachments = state.account.attachments
    # It may have been deleted while its bytes were uploaded.
    if name not in attachments:
        return False
    former = attachments[name].upload
    attachments[name] = replace(attachments[name], upload=upload)
    if former is not None:
        former.file.unlink(missing_ok=True)
    return True


async def _receive(request: web.Request, target: HashingFile, length: int) -> bool:
    """Receive the bytes; return whether all of them arrived."""
    faults = context_of(request).faults
    slow = next((fault for fault in faults if fault.kind == "slow"), None)
    piece = _PIECE if slow is None else slow.at or 1024
    boundaries = sorted({length, *(fault.at for fault in faults if fault.at is not None and fault is not slow)})
    while True:
        if await _reached(request, faults, target.size):
            return False
        if target.size == length:
            return True
        boundary = next(boundary for boundary in boundaries if boundary > target.size)
        try:
            data = await request.content.read(min(piece, boundary - target.size))
        except (ConnectionError, web.RequestPayloadError):
            data = b""
        if not data:
            context_of(request).dropped = True
            return False
        target.write(data)
        update_log(request, received=target.size)
        if slow is not None:
            await asyncio.sleep(slow.seconds)


async def _reached(request: web.Request, faults: Sequence[Fault], received: int) -> bool:
    """Do what is to happen at this byte; return whether the connection is closed."""
    for fault in faults:
        if fault.at != received:
            continue
        if fault.kind == "stall_at_byte":
            await pause(request)
        elif fault.kind in ("drop_at_byte", "reset_at_byte"):
            context_of(request).dropped = True
            update_log(request, done=True)
            drop_connection(request, reset=fault.kind == "reset_at_byte")
            return True
    return False
