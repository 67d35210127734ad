"""Batches: all or nothing, or the good ones alone, and answers whose order promises nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import Fields
from airflow_provider_maestroqa.sandbox.request_context import visit_of
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters, complaints, refuse

LARGEST_BATCH = 500


async def take_batch(
    request: web.Request,
    known: Mapping[str, Parameter],
    *,
    lacking: Callable[[Fields], str | None],
    store: Callable[[Fields], Fields],
    status: int,
) -> web.Response:
    """Check the records of a batch, store them, and say which were stored.

    :param known: the parameters of one record.
    :param lacking: gives the complaint about a record whose ticket or agent does not exist, or ``None``.
    :param store: stores a record and gives its part of the answer.
    :param status: of the answer.
    :raises RefusedError: 400 or 404, when the batch as a whole is refused.
    """
    state = state_of(request)
    asked = await body_parameters(request, {"batch": Parameter(checks.array, required=True)})
    good = _sifted(asked["batch"], known, lacking, atomic=state.settings.batch_mode == "atomic")
    faults = {fault.kind: 1 if fault.at is None else fault.at for fault in visit_of(request).faults}
    if "lost" in faults:
        lost = state.account.some(good, faults["lost"])
        good = [record for index, record in enumerate(good) if index not in lost]
    results = state.account.shuffled([store(record) for record in good])
    if "unconfirmed" in faults:
        results = results[faults["unconfirmed"] :]
    return web.json_response({} if "no_results" in faults else {"results": results}, status=status)


def _sifted(
    batch: list[Any],
    known: Mapping[str, Parameter],
    lacking: Callable[[Fields], str | None],
    *,
    atomic: bool,
) -> list[Fields]:
    """The records that can be stored."""
    if not 0 < len(batch) <= LARGEST_BATCH:
        raise RefusedError(
            400, f"Invalid parameters: batch must hold 1 to {LARGEST_BATCH} records, not {len(batch)}."
        )
    good, invalid, absent = [], [], []
    for index, record in enumerate(batch):
        if not isinstance(record, dict):
            invalid.append(f"batch[{index}] must be an object")
        elif wrong := complaints(record, known):
            invalid += [f"batch[{index}].{complaint}" for complaint in wrong]
        elif missing := lacking(record):
            absent.append(f"batch[{index}].{missing}")
        else:
            good.append(record)
    if atomic:
        refuse(400, "Invalid parameters", [*invalid, *absent] if invalid else [])
        refuse(404, "Not found", absent)
    return good
