"""What became of the export that an earlier try requested, and how Airflow counts that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQANotFoundError
from airflow_provider_maestroqa.runtime import task_context

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.operators.base import MaestroQAOperator


def is_alive(operator: MaestroQAOperator, hook: MaestroQAHook, export_id: str, context: Context) -> bool:
    """Whether the export of an earlier try can still be waited for, or is complete; else log why not.

    :param operator: the task's.
    :param hook: its hook.
    :param export_id: the export of the earlier try.
    :param context: the task's.
    """
    count(operator, "reconnect_attempt", context)
    try:
        export = hook.get_export(export_id)
    except MaestroQANotFoundError:
        count(operator, "terminal_resubmit", context)
        operator.log.warning(
            "MaestroQA no longer knows export %s of an earlier try. Requesting a new one.", export_id
        )
        return False
    if export.is_failed:
        count(operator, "terminal_resubmit", context)
        operator.log.warning("Export %s of an earlier try failed at MaestroQA. Requesting a new one.", export_id)
        return False
    count(operator, "already_succeeded" if export.is_complete else "reconnect_success", context)
    return True


def count(operator: MaestroQAOperator, decision: str, context: Context) -> None:
    """Count what a try has found of an earlier one, under the names of Airflow 3.3's own resumable operators.

    :param operator: the task's.
    :param decision: the metric's name, without ``resumable_job``.
    :param context: the task's.
    """
    if _compat.has_resumable_jobs():
        tags = {"operator": type(operator).__name__, **task_context.team_tag(context)}
        _compat.Stats.incr(f"resumable_job.{decision}", tags=tags)
