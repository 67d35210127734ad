"""Deletions of customers' data, of which none is requested."""

from __future__ import annotations

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.client.endpoints import build_request

_NOT_FOUND = "not found"


def _unknown(account: CheckedAccount) -> Finding:
    reply = account.ask(build_request("get_data_deletion", deletion_id=f"{SCRATCH_NAME}-no-deletion"))
    status = reply.fields.get("status")
    if reply.is_success:
        return told(status == _NOT_FOUND, f"200, {_NOT_FOUND if status == _NOT_FOUND else shown_names([status])}")
    return told(reply.status == 404 and reply.is_explained, reply.says)


PROBES = (
    Probe(
        "unknown_deletion",
        "A deletion of customers' data that does not exist gets 404, or the status `not found`.",
        "The wait for a deletion may not end before its timeout. Look at MaestroQA whether the data are gone.",
        _unknown,
    ),
)
