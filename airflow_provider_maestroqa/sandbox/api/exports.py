"""The API's chapter "Exports"."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.export_rows import RAW_FILES
from airflow_provider_maestroqa.sandbox.dates import parse_date
from airflow_provider_maestroqa.sandbox.faults import Fault, faults_in_name
from airflow_provider_maestroqa.sandbox.request_context import visit_of
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters

_WINDOW = {
    "startDate": Parameter(checks.date, required=True),
    "endDate": Parameter(checks.date, required=True),
}
_NAME = {"name": Parameter(checks.text)}

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "raw": {
        **_WINDOW,
        **_NAME,
        "singleFileExport": Parameter(checks.one_of(*RAW_FILES)),
        "includeCalibrations": Parameter(checks.one_of("all", "none", "only")),
        "includeGraderQA": Parameter(checks.flag),
        "includeDeleted": Parameter(checks.flag),
    },
    "groups": {**_NAME, "includeUnavailable": Parameter(checks.flag)},
    "audit_log": {**_WINDOW, **_NAME},
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/request-raw-export", _request_raw)
    app.router.add_post("/api/v1/request-groups-export", _request_groups)
    app.router.add_post("/api/v1/request-audit-log-export", _request_audit_log)
    app.router.add_get("/api/v1/get-export-data", _get_export, allow_head=False)


async def _request_raw(request: web.Request) -> web.Response:
    return await _request_export(request, "raw")


async def _request_groups(request: web.Request) -> web.Response:
    return await _request_export(request, "groups")


async def _request_audit_log(request: web.Request) -> web.Response:
    return await _request_export(request, "audit_log")


async def _request_export(request: web.Request, export_type: str) -> web.Response:
    state = state_of(request)
    asked = await body_parameters(request, PARAMETERS[export_type])
    _check_window(asked)
    export_id = secrets.token_hex(12)
    try:
        faults = faults_in_name(asked.get("name", ""), export_id)
    except ValueError as error:
        raise RefusedError(400, f"Invalid parameters: name: {error}") from None
    export = state.exports.add(export_type, asked, export_id)
    for fault in faults:
        state.faults.add(fault)
    for fault in _outcomes(request):
        export.outcome = fault.kind
    if export.has_data(state.clock()):
        state.exports.begin(export)
    return web.json_response({"exportId": export_id})


async def _get_export(request: web.Request) -> web.Response:
    state = state_of(request)
    asked = await body_parameters(request, {"exportId": Parameter(checks.text, required=True)})
    export = state.exports.by_id.get(asked["exportId"])
    if export is None:
        raise RefusedError(404, "There is no export with this exportId.")
    passing = None
    for fault in _outcomes(request):
        if fault.kind == "unknown_status":
            passing = fault.text or "archiving"
        else:
            export.outcome = fault.kind
    status = await state.exports.poll(export)
    if passing is not None:
        return web.json_response({"status": passing, "dataUrl": ""})
    url = ""
    if status in ("complete", "completed") and export.stored is not None and export.has_data(state.clock()):
        url = export.url = state.presign(export.stored.key)
    return web.json_response({"status": status, "dataUrl": url})


def _outcomes(request: web.Request) -> list[Fault]:
    return [fault for fault in visit_of(request).faults if fault.family == "outcome"]


def _check_window(asked: Mapping[str, Any]) -> None:
    if "startDate" in asked and parse_date(asked["endDate"]) < parse_date(asked["startDate"]):
        raise RefusedError(400, "Invalid parameters: endDate must not be before startDate.")
