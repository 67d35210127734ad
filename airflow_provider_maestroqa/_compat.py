"""The only module that tells Airflow 2 from Airflow 3.

Names are imported on first use, so that a DAG file pays only for what it touches.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.configuration import conf as conf
    from airflow.sdk import Asset as Asset
    from airflow.sdk import AssetAlias as AssetAlias
    from airflow.sdk import BaseHook as BaseHook
    from airflow.sdk import BaseOperator as BaseOperator
    from airflow.sdk import BaseOperatorLink as BaseOperatorLink
    from airflow.sdk import BaseSensorOperator as BaseSensorOperator
    from airflow.sdk import Connection as Connection
    from airflow.sdk import Context as Context
    from airflow.sdk import RetryDecision as RetryDecision
    from airflow.sdk import RetryPolicy as RetryPolicy
    from airflow.sdk.bases.sensor import PokeReturnValue as PokeReturnValue
    from airflow.sdk.exceptions import AirflowFailException as AirflowFailException
    from airflow.sdk.exceptions import AirflowSensorTimeout as AirflowSensorTimeout
    from airflow.sdk.exceptions import AirflowSkipException as AirflowSkipException
    from airflow.sdk.execution_time.xcom import XCom as XCom
    from airflow.sdk.io import get_fs as get_fs
    from airflow.sdk.observability.stats import Stats as Stats
    from airflow.triggers.base import BaseEventTrigger as BaseEventTrigger
    from airflow.triggers.base import BaseTrigger as BaseTrigger
    from airflow.triggers.base import TriggerEvent as TriggerEvent

#: Name → modules to look in, the newest Airflow first.
_HOMES = {
    "Asset": ("airflow.sdk",),
    "AssetAlias": ("airflow.sdk",),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "BaseEventTrigger": ("airflow.triggers.base",),
    "BaseTrigger": ("airflow.triggers.base",),
    "Connection": ("airflow.sdk", "airflow.models.connection"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "Dataset": ("airflow.datasets",),
    "DatasetAlias": ("airflow.datasets",),
    "PokeReturnValue": ("airflow.sdk.bases.sensor", "airflow.sensors.base"),
    "RetryDecision": ("airflow.sdk",),
    "RetryPolicy": ("airflow.sdk",),
    "Stats": ("airflow.sdk.observability.stats", "airflow.stats"),
    "TriggerEvent": ("airflow.triggers.base",),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "AirflowFailException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSensorTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "conf": ("airflow.configuration",),
    "get_fs": ("airflow.sdk.io", "airflow.io"),
}


#: What replaces a newer Airflow's name on an older one, so that modules can be imported there.
_STAND_INS = {"BaseEventTrigger": "BaseTrigger", "Asset": "Dataset", "AssetAlias": "DatasetAlias"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = _find(name, _HOMES[name])
    except ImportError:
        if name not in _STAND_INS:
            raise
        value = _find(_STAND_INS[name], _HOMES[_STAND_INS[name]])
    globals()[name] = value
    return value


def _find(name: str, homes: tuple[str, ...]) -> Any:
    for home in homes:
        try:
            return getattr(importlib.import_module(home), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"This Airflow has no {name}. Airflow 2.11 or newer is needed.")


def has_asset_watchers() -> bool:
    """Whether this Airflow starts DAG runs on the events of triggers: 3.0 and newer."""
    return _airflow_version() >= (3,)


def has_retry_policies() -> bool:
    """Whether this Airflow takes ``retry_policy``: 3.3 and newer."""
    return _airflow_version() >= (3, 3)


def cron_partitions(timetable: Any) -> Callable[[datetime], tuple[datetime, str]]:
    """The partitions of a ``CronPartitionTimetable``: a function from a time to the first one at or after it.

    It returns the partition's date in UTC and its key, as this Airflow writes it: 3.2 in UTC, 3.3 in the timetable's
    time zone.

    :param timetable: the timetable, of Airflow's SDK or of its core. Its ``run_offset`` says when a partition is run,
        not which ones there are.
    """
    from datetime import timezone as zones

    from airflow.timetables.base import TimeRestriction

    names = ("expression", "timezone", "key_format")
    cron, zone, key_format = (getattr(timetable, name, None) or getattr(timetable, f"_{name}") for name in names)
    ticks = _find("CronPartitionTimetable", ("airflow.timetables.trigger",))(
        cron, timezone=zone, key_format=key_format
    )

    def first_from(moment: datetime) -> tuple[datetime, str]:
        earliest = _find("coerce_datetime", ("airflow._shared.timezones.timezone", "airflow.utils.timezone"))(moment)
        restriction = TimeRestriction(earliest=earliest, latest=None, catchup=True)
        info = ticks.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
        return datetime.fromisoformat(info.partition_date.isoformat()).astimezone(zones.utc), info.partition_key

    return first_from


def has_resumable_jobs() -> bool:
    """Whether this Airflow counts the jobs that a retry resumes: 3.3 and newer."""
    return _airflow_version() >= (3, 3)


def mask_secret(secret: str) -> None:
    """Hide a text in every log of this task."""
    _find("mask_secret", ("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", _MASKER_OF_2))(secret)


async def amask_secret(secret: str) -> None:
    """Hide a text in every log of this trigger, without blocking the event loop."""
    try:
        mask = _find("amask_secret", ("airflow.sdk.log",))
    except ImportError:
        from asgiref.sync import sync_to_async

        await sync_to_async(mask_secret)(secret)
    else:
        await mask(secret)


async def aget_connection(conn_id: str) -> Connection:
    """Get a connection without blocking the event loop.

    Airflow's own ``aget_connection`` came in 3.1 and could deadlock beside other async calls before 3.3.2.
    """
    hook = _find("BaseHook", _HOMES["BaseHook"])
    if hasattr(hook, "aget_connection") and _airflow_version() >= (3, 3, 2):
        return await hook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(hook.get_connection)(conn_id)


def config_values(section: str, names: Iterable[str]) -> dict[str, str]:
    """The options of a section of airflow.cfg that are set, or their environment variables, as text."""
    conf = _find("conf", _HOMES["conf"])
    # What a command writes ends with a line break.
    values = {name: (conf.get(section, name, fallback=None) or "").strip() for name in names}
    return {name: value for name, value in values.items() if value}


def rendered_fields(ti_key: Any) -> dict[str, Any]:
    """Return the rendered template fields of a task instance, where its operator does not hold them itself.

    Airflow 2 renders links in the webserver, which knows the operator as it was before the run.
    """
    if _airflow_version() >= (3,):
        return {}
    from airflow.models.renderedtifields import RenderedTaskInstanceFields

    return RenderedTaskInstanceFields.get_templated_fields(ti_key) or {}


def lineage_collector() -> Any:
    """Return Airflow's collector of what hooks read and write; ``None`` where no plugin reads what it collects.

    Creating it takes a second or more on Airflow 3, even where nobody reads it.
    """
    try:
        homes = ("airflow.sdk.plugins_manager", "airflow.plugins_manager")
        readers = _find("get_hook_lineage_readers_plugins", homes)()
    except ImportError:
        from airflow import plugins_manager

        plugins_manager.initialize_hook_lineage_readers_plugins()
        readers = plugins_manager.hook_lineage_reader_classes
    if not readers:
        return None
    return _find("get_hook_lineage_collector", ("airflow.sdk.lineage", "airflow.lineage.hook"))()


def _airflow_version() -> tuple[int, ...]:
    from airflow import __version__

    return tuple(int(part) for part in __version__.split(".")[:3] if part.isdigit())


_MASKER_OF_2 = "airflow.utils.log.secrets_masker"
