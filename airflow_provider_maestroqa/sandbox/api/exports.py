"""The API's chapter "Exports"."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.export_rows import FILES
from airflow_provider_maestroqa.sandbox.faults import Fault, faults_in_name
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, context_of, reject_query
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, parse_date

_WINDOW = {
    "startDate": Parameter(checks.date, required=True),
    "endDate": Parameter(checks.date, required=True),
}
_TOKEN = {"apiToken": Parameter(checks.text)}
_NAME = {"name": Parameter(checks.text), **_TOKEN}

#: The parameters of each type of export; its path follows from the type.
PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "raw": {
        **_WINDOW,
        **_NAME,
        "singleFileExport": Parameter(checks.one_of(*FILES["raw"])),
        "includeCalibrations": Parameter(checks.one_of("all", "none", "only")),
        "includeGraderQA": Parameter(checks.flag),
        "includeDeleted": Parameter(checks.flag),
    },
    "groups": {**_NAME, "includeUnavailable": Parameter(checks.flag)},
    "audit_log": {**_WINDOW, **_NAME},
}


async def _request_export(request: web.Request, export_type: str) -> web.Response:
    state = state_of(request)
    parameters = PARAMETERS[export_type]
    is_optional = not any(parameter.required for parameter in parameters.values())
    body = await body_parameters(request, parameters, may_be_empty=is_optional)
    body.pop("apiToken", None)
    if "startDate" in body and parse_date(body["endDate"]) < parse_date(body["startDate"]):
        raise APIError(400, "Invalid parameters: endDate must not be before startDate.")
    export_id = secrets.token_hex(12)
    try:
        faults = faults_in_name(body.get("name", ""), export_id)
    except ValueError as error:
        raise APIError(400, f"Invalid parameters: name: {error}") from None
    export = state.exports.add(export_type, body, export_id)
    for fault in faults:
        state.faults.add(fault)
    for fault in _outcomes(request):
        export.outcome = fault.kind
    if export.has_data(state.clock()):
        state.exports.begin(export)
    return web.json_response({"exportId": export_id})


routes = web.RouteTableDef()
for _type in PARAMETERS:
    routes.post(f"/api/v1/request-{_type.replace('_', '-')}-export")(partial(_request_export, export_type=_type))


@routes.get("/api/v1/get-export-data", allow_head=False)
async def _get_export_by_body(request: web.Request) -> web.Response:
    if state_of(request).options.export_lookup == "path":
        # What the server makes of a GET without its body.
        raise APIError(400, "Invalid parameters: exportId is required.")
    body = await body_parameters(request, {"exportId": Parameter(checks.text, required=True), **_TOKEN})
    return await _get_export(request, body["exportId"])


@routes.get("/api/v1/export-data/{id}", allow_head=False)
async def _get_export_by_path(request: web.Request) -> web.Response:
    reject_query(request)
    if state_of(request).options.export_lookup == "body":
        raise web.HTTPNotFound
    return await _get_export(request, request.match_info["id"])


async def _get_export(request: web.Request, export_id: str) -> web.Response:
    state = state_of(request)
    export = state.exports.by_id.get(export_id)
    if export is None:
        raise APIError(404, "There is no export with this exportId.")
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
    return [fault for fault in context_of(request).faults if fault.family == "outcome"]
