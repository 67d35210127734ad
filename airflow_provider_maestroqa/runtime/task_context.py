"""The only reader of Airflow's task context: what this package needs of it, by name.

All of it is optional: a test or a user's own code may pass a part of a context, and older Airflows have no stores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_maestroqa import _compat

log = logging.getLogger(__name__)

#: Attributes of a DAG run that hold the time it was requested, the most exact first.
_REQUEST_TIMES = ("run_after", "queued_at", "start_date")


def task_state_store(context: Mapping[str, Any]) -> Any:
    """The store that lasts from one try to the next; ``None`` before Airflow 3.3."""
    return context.get("task_state_store")


def asset_state_store(context: Mapping[str, Any]) -> Any:
    """The store of the task's assets, which lasts from one run to the next; ``None`` before Airflow 3.3."""
    return context.get("asset_state_store")


def map_index(context: Mapping[str, Any]) -> int | None:
    """The index of a mapped task instance; ``None`` for any other."""
    index = getattr(context.get("ti"), "map_index", -1)
    return index if isinstance(index, int) and index >= 0 else None


def is_first_try(context: Mapping[str, Any]) -> bool:
    """Whether no earlier try of this task instance has run."""
    number = getattr(context.get("ti"), "try_number", 1)
    return not isinstance(number, int) or number <= 1


def team_tag(context: Mapping[str, Any]) -> dict[str, str]:
    """The tag of the task's team for a metric; empty before Airflow 3.3 and where there are no teams."""
    tags = getattr(context.get("ti"), "stats_tags", None)
    team = tags.get("team_name") if isinstance(tags, Mapping) else None
    return {"team_name": team} if team else {}


def run_id(context: Mapping[str, Any]) -> str | None:
    """The id of the task's run; ``None`` where it is unknown."""
    value = getattr(context.get("ti"), "run_id", None)
    return value if isinstance(value, str) and value else None


def run_label(context: Mapping[str, Any]) -> str:
    """Name the task's run: ``dag_id/run_id/task_id``."""
    names = (getattr(context.get("ti"), name, None) for name in ("dag_id", "run_id", "task_id"))
    return "/".join(str(name) for name in names if name)


def push_xcom(context: Mapping[str, Any], key: str, value: object) -> None:
    """Push another XCom than the task's result."""
    push = getattr(context.get("ti"), "xcom_push", None)
    if push is not None:
        push(key=key, value=value)


def data_interval(context: Mapping[str, Any]) -> tuple[Any, Any]:
    """Both ends of the run's data interval, as Airflow has them; ``None`` where there is none."""
    dag_run = context.get("dag_run")
    names = ("data_interval_start", "data_interval_end")
    start, end = (context.get(name) or getattr(dag_run, name, None) for name in names)
    return start, end


def requested_at(context: Mapping[str, Any]) -> Any:
    """The time the run was requested, the same in every try; ``None`` where it is unknown."""
    times = (getattr(context.get("dag_run"), name, None) for name in _REQUEST_TIMES)
    return next((time for time in times if time is not None), None)


def partition_key(context: Mapping[str, Any]) -> str | None:
    """The key of the run's partition; ``None`` for a run without one, and before Airflow 3.2."""
    key = context.get("partition_key") or getattr(context.get("dag_run"), "partition_key", None)
    return key if isinstance(key, str) and key else None


def partition_date(context: Mapping[str, Any]) -> Any:
    """The date of the run's partition; ``None`` for a key without one, and before Airflow 3.3."""
    return context.get("partition_date") or getattr(context.get("dag_run"), "partition_date", None)


def timetable(context: Mapping[str, Any]) -> Any:
    """The timetable of the task's DAG; ``None`` where it is unknown."""
    return getattr(context.get("dag"), "timetable", None)


def add_event_extra(
    context: Mapping[str, Any], outlets: Iterable[object], extra: Mapping[str, Any], *, written: str
) -> None:
    """Add what a task has done, and for which partition, to the events of its assets.

    :param context: Airflow's context of the task.
    :param outlets: the task's outlets.
    :param extra: what is added to the ``extra`` of each event.
    :param written: the URI of what the task has written: the asset to which an alias among the outlets resolves.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    key = partition_key(context)
    whole = dict(extra) if key is None else {**extra, "partition_key": key}
    for outlet in outlets:
        if isinstance(outlet, _compat.Asset):
            events[outlet].extra.update(whole)
        elif isinstance(outlet, _compat.AssetAlias):
            try:
                events[outlet].add(_compat.Asset(uri=written), extra=whole)
            except ValueError as error:
                # The work is done: a URI that Airflow does not take must not fail it.
                log.warning("The alias %s gets no event, as %s cannot be an asset: %s", outlet.name, written, error)
