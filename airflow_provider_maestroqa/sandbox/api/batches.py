"""Batches: all or nothing, or the good records alone, and results whose order promises nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, context_of
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, problems_of, reject_if

MAX_BATCH = 500


@dataclass(frozen=True)
class Batch:
    """An operation that stores many records."""

    parameters: Mapping[str, Parameter]
    store: Callable[[Account, Fields], Fields]
    missing: Callable[[Account, Fields], str | None]  # what a record refers to that does not exist
    status: int = 201

    async def handle(self, request: web.Request) -> web.Response:
        """Check the records of a batch, store them, and confirm which were stored."""
        state = state_of(request)
        account = state.account
        body = await body_parameters(request, {"batch": Parameter(checks.array, required=True)})
        good = self._validate_records(account, body["batch"], atomic=state.options.batch_mode == "atomic")
        faults = {fault.kind: 1 if fault.at is None else fault.at for fault in context_of(request).faults}
        if "lost" in faults:
            lost = account.sample(good, faults["lost"])
            good = [record for index, record in enumerate(good) if index not in lost]
        results = account.shuffled([self.store(account, record) for record in good])
        if "unconfirmed" in faults:
            results = results[faults["unconfirmed"] :]
        return web.json_response({} if "no_results" in faults else {"results": results}, status=self.status)

    def _validate_records(self, account: Account, batch: list[Any], *, atomic: bool) -> list[Fields]:
        """The records that can be stored."""
        if not 0 < len(batch) <= MAX_BATCH:
            raise APIError(400, f"Invalid parameters: batch must hold 1 to {MAX_BATCH} records, not {len(batch)}.")
        good, invalid, absent = [], [], []
        for index, record in enumerate(batch):
            if not isinstance(record, dict):
                invalid.append(f"batch[{index}] must be an object")
            elif problems := problems_of(record, self.parameters):
                invalid += [f"batch[{index}].{problem}" for problem in problems]
            elif missing := self.missing(account, record):
                absent.append(f"batch[{index}].{missing}")
            else:
                good.append(record)
        if atomic:
            reject_if(400, "Invalid parameters", [*invalid, *absent] if invalid else [])
            reject_if(404, "Not found", absent)
        return good


def missing_ticket(account: Account, record: Fields) -> str | None:
    """The problem with a record whose ticket does not exist, or ``None``."""
    if account.has_ticket(record["ticket_id"]):
        return None
    return f"ticket_id {record['ticket_id']!r} is no ticket of this account"


def missing_agent(account: Account, record: Fields) -> str | None:
    """The problem with a record whose agent does not exist, or ``None``."""
    if record["agent_id"] in account.agent_keys:
        return None
    return f"agent_id {record['agent_id']!r} is no agent of this account"
