"""The API's chapter "Get Coaching Data": the export of coaching sessions, written while it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.coaching_rows import Fields
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, context_of
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.storage.delivery import Delivery, deliver
from airflow_provider_maestroqa.sandbox.validation import Parameter

_PIECE = 1 << 17
_ENDLESS = 1 << 62


_PARAMETERS = {
    "startDate": Parameter(checks.plain_date, required=True),
    "endDate": Parameter(checks.plain_date, required=True),
    "timeAxis": Parameter(checks.one_of("meetingDate", "createdAt")),
}


routes = web.RouteTableDef()


@routes.post("/api/v1/coaching-sessions")
async def _export(request: web.Request) -> web.StreamResponse:
    body = await body_parameters(request, _PARAMETERS)
    start, end = date.fromisoformat(body["startDate"]), date.fromisoformat(body["endDate"])
    if end < start:
        raise APIError(400, "Invalid parameters: endDate must not be before startDate.")
    max_days = state_of(request).options.export_max_days
    if (end - start).days > max_days:
        raise APIError(400, f"Invalid parameters: endDate must be within {max_days} days of startDate.")
    faults = context_of(request).faults
    sessions = state_of(request).coaching.exported(start, end, body.get("timeAxis", "meetingDate"))
    for fault in faults:
        if fault.kind == "no_id":
            sessions = _without_ids(sessions, fault.at or 1)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    delivery = _StreamedDelivery(Path(), 200, 0, _ENDLESS, headers, with_length=False, sessions=sessions)
    delivery.apply_faults(faults, _ENDLESS)
    return await deliver(request, delivery)


@dataclass
class _StreamedDelivery(Delivery):
    """A response that is generated while it is sent."""

    sessions: Iterator[Fields] = field(default_factory=lambda: iter(()))

    def _file_pieces(self) -> Iterator[bytes]:
        left = self.stop
        for piece in _array(self.sessions):
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return


def _array(sessions: Iterator[Fields]) -> Iterator[bytes]:
    piece, mark = bytearray(), b"["
    for session in sessions:
        piece += mark
        piece += json.dumps(session, ensure_ascii=False).encode()
        mark = b",\n"
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + (b"]" if mark != b"[" else b"[]")


def _without_ids(sessions: Iterator[Fields], number: int) -> Iterator[Fields]:
    for place, session in enumerate(sessions):
        yield {name: value for name, value in session.items() if name != "_id" or place >= number}
