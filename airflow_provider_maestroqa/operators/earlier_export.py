"""What became of the export that an earlier try requested, and how Airflow counts that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQANotFoundError

if TYPE_CHECKING:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.operators.base import MaestroQAOperator


def is_alive(operator: MaestroQAOperator, hook: MaestroQAHook, export_id: str) -> bool:
    """Whether the export of an earlier try can still be waited for, or is complete; else log why not.

    :param operator: the task's.
    :param hook: its hook.
    :param export_id: the export of the earlier try.
    """
    count(operator, "reconnect_attempt")
    try:
        export = hook.get_export(export_id)
    except MaestroQANotFoundError:
        count(operator, "terminal_resubmit")
        operator.log.warning(
            "MaestroQA no longer knows export %s of an earlier try. Requesting a new one.", export_id
        )
        return False
    if export.is_failed:
        count(operator, "terminal_resubmit")
        operator.log.warning("Export %s of an earlier try failed at MaestroQA. Requesting a new one.", export_id)
        return False
    count(operator, "already_succeeded" if export.is_complete else "reconnect_success")
    return True


def count(operator: MaestroQAOperator, decision: str) -> None:
    """Count what a try has found of an earlier one, under the names of Airflow 3.3's own resumable operators.

    :param operator: the task's.
    :param decision: the metric's name, without ``resumable_job``.
    """
    if _compat.has_resumable_jobs():
        _compat.Stats.incr(f"resumable_job.{decision}", tags={"operator": type(operator).__name__})
