"""The API's chapter "Get Coaching Data": the export of coaching sessions, written while it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.coaching_rows import Fields
from airflow_provider_maestroqa.sandbox.request_context import visit_of
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.storage.delivery import Delivery, deliver
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters

_MOST_DAYS = 90
_PIECE = 1 << 17
_ENDLESS = 1 << 62


def _plain_date(value: Any) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            date.fromisoformat(value)
        except ValueError:
            pass
        else:
            return None
    return "must be a date like 2021-12-01"


_PARAMETERS = {
    "startDate": Parameter(_plain_date, required=True),
    "endDate": Parameter(_plain_date, required=True),
    "timeAxis": Parameter(checks.one_of("meetingDate", "createdAt")),
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operation into the API."""
    app.router.add_post("/api/v1/coaching-sessions", _export)


async def _export(request: web.Request) -> web.StreamResponse:
    asked = await body_parameters(request, _PARAMETERS)
    start, end = date.fromisoformat(asked["startDate"]), date.fromisoformat(asked["endDate"])
    if end < start:
        raise RefusedError(400, "Invalid parameters: endDate must not be before startDate.")
    if (end - start).days > _MOST_DAYS:
        raise RefusedError(400, f"Invalid parameters: endDate must be within {_MOST_DAYS} days of startDate.")
    faults = visit_of(request).faults
    sessions = state_of(request).coaching.exported(start, end, asked.get("timeAxis", "meetingDate"))
    for fault in faults:
        if fault.kind == "no_id":
            sessions = _without_ids(sessions, fault.at or 1)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    delivery = _Written(Path(), 200, 0, _ENDLESS, headers, with_length=False, sessions=sessions)
    delivery.spoil(faults, _ENDLESS)
    return await deliver(request, delivery)


@dataclass
class _Written(Delivery):
    """An answer that is written while it is sent.

    :param sessions: what to write.
    """

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
