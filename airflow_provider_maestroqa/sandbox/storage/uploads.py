"""Presigned uploads: the bytes of attachments go to disk as they come, and count when all of them have come."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from airflow_provider_maestroqa.sandbox.data.account import Upload
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import note, visit_of
from airflow_provider_maestroqa.sandbox.responses import reset_connection, storage_error
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.storage.stored_object import HashingFile

_PIECE = 1 << 18
#: S3 takes no more in one piece.
_LARGEST = 5 << 30


async def take_upload(request: web.Request) -> web.StreamResponse:
    """Take the bytes of an attachment whose presigned URL was found to be good."""
    state = state_of(request)
    length = request.content_length
    if length is None:
        return storage_error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if length > _LARGEST:
        return storage_error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    signed = request.query["X-Amz-SignedHeaders"].split(";")
    if any(name.lower().startswith("x-amz-") and name.lower() not in signed for name in request.headers):
        return storage_error(403, "AccessDenied", "There were headers present in the request which were not signed")
    name = next((name for name, one in state.account.attachments.items() if one.key == request.path), None)
    if name is None:
        return storage_error(404, "NoSuchKey", "The specified key does not exist.")
    path = state.directory / f"upload-{secrets.token_hex(8)}"
    kept = False
    try:
        with path.open("wb") as file:
            target = HashingFile(file)
            arrived = await _receive(request, target, length)
        if not arrived:
            return web.Response()
        kept = _keep(state, name, Upload(path, target.size, target.sha256, request.headers["Content-Type"]))
    finally:
        if not kept:
            path.unlink(missing_ok=True)
    headers = {"ETag": f'"{target.sha256[:32]}"', "x-amz-server-side-encryption": "AES256", "Server": "AmazonS3"}
    return web.Response(headers=headers)


def _keep(state: State, name: str, upload: Upload) -> bool:
    attachments = state.account.attachments
    # It may have been deleted while its bytes were on their way.
    if name not in attachments:
        return False
    former = attachments[name].upload
    attachments[name] = replace(attachments[name], upload=upload)
    if former is not None:
        former.file.unlink(missing_ok=True)
    return True


async def _receive(request: web.Request, target: HashingFile, length: int) -> bool:
    """Take the bytes in; say whether all of them came."""
    faults = visit_of(request).faults
    slow = next((fault for fault in faults if fault.kind == "slow"), None)
    piece = _PIECE if slow is None else slow.at or 1024
    borders = sorted({length, *(fault.at for fault in faults if fault.at is not None and fault is not slow)})
    while True:
        if await _reached(request, faults, target.size):
            return False
        if target.size == length:
            return True
        border = next(border for border in borders if border > target.size)
        try:
            data = await request.content.read(min(piece, border - target.size))
        except (ConnectionError, web.RequestPayloadError):
            data = b""
        if not data:
            visit_of(request).dropped = True
            return False
        target.write(data)
        note(request, received=target.size)
        if slow is not None:
            await asyncio.sleep(slow.seconds)


async def _reached(request: web.Request, faults: Sequence[Fault], received: int) -> bool:
    """Do what shall happen at this byte; say whether the connection is gone."""
    for fault in faults:
        if fault.at != received:
            continue
        if fault.kind == "stall_at_byte":
            note(request, held=True)
            await state_of(request).holds.wait()
            note(request, held=False)
        elif fault.kind in ("drop_at_byte", "reset_at_byte"):
            visit_of(request).dropped = True
            note(request, done=True)
            if fault.kind == "reset_at_byte":
                reset_connection(request)
            elif request.transport is not None:
                request.transport.close()
            return True
    return False
