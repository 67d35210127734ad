"""What a landing of records requests from MaestroQA: checks its arguments and finds its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import (
    is_blank,
    is_date,
    parse_choice,
    parse_flag,
    parse_midnight,
)
from airflow_provider_maestroqa.client.resources.catalogue import (
    LIST_RESOURCES,
    filter_names,
    list_parameters,
    parse_page_size,
)
from airflow_provider_maestroqa.client.resources.coaching_export import TIME_AXES, parse_day_range
from airflow_provider_maestroqa.landing.record_files import EXPORT
from airflow_provider_maestroqa.runtime.watermark import OVERLAP, Watermark
from airflow_provider_maestroqa.windows import parse_incremental, resolve_window, resume_window

RESOURCES = (EXPORT, *LIST_RESOURCES)
#: What is passed as an argument of the task, by its names here and in the API.
_ARGUMENTS = {
    "start": "start",
    "end": "end",
    "page_size": "page_size",
    "startDate": "start",
    "endDate": "end",
    "count": "page_size",
    "startIndex": "page_size",
}


@dataclass(frozen=True)
class WindowArguments:
    """The window arguments of a task, not parsed yet.

    :param start: see :class:`~.records_to_object_storage.MaestroQARecordsToObjectStorageOperator`.
    :param end: likewise.
    :param lookback: likewise.
    :param incremental: likewise.
    :param partition_length: likewise.
    """

    start: object
    end: object
    lookback: object
    incremental: object
    partition_length: object = None

    @property
    def ends(self) -> dict[str, object]:
        """All but ``incremental``, by their names."""
        return {
            "start": self.start,
            "end": self.end,
            "lookback": self.lookback,
            "partition_length": self.partition_length,
        }

    @property
    def is_empty(self) -> bool:
        """Whether no stretch of time was named."""
        return all(map(is_blank, self.ends.values()))

    def reject(self, resource: str) -> None:
        """Fail when a stretch of time is named, for a list that knows no times.

        :raises MaestroQAConfigError: one is.
        """
        if not (self.is_empty and is_blank(self.incremental)):
            raise MaestroQAConfigError(
                f"MaestroQA cannot filter {resource} by time: leave start, end, lookback, partition_length and "
                "incremental out. The list is read whole."
            )


@dataclass(frozen=True)
class RecordRequest:
    """A checked request for records.

    :param resource: what is read.
    :param start: where its window begins; ``None`` for no limit.
    :param end: where it ends; ``None`` for no limit.
    :param options: the other arguments of the hook's method.
    :param split_nested: whether to write four files.
    :param watermark: where to save how far was read.
    """

    resource: str
    start: datetime | None
    end: datetime | None
    options: Mapping[str, Any]
    split_nested: bool
    watermark: Watermark | None

    @property
    def is_export(self) -> bool:
        """Whether this is the export of coaching sessions, not a list."""
        return self.resource == EXPORT

    @property
    def window(self) -> dict[str, str | None] | None:
        """The window as text; ``None`` for all of a list. The export takes whole days."""
        if self.start is None and self.end is None:
            return None
        if self.is_export:
            first, last = (day.isoformat() for day in parse_day_range(self.start, self.end))
            return {"start": f"{first}T00:00:00Z", "end": f"{last}T00:00:00Z"}
        return {"start": _text(self.start), "end": _text(self.end)}

    @property
    def description(self) -> str:
        """What is requested, for the log: ``todos from … to …, agent_id 72999``."""
        window = self.window or {}
        parts = [f" {word} {window[name]}" for word, name in (("from", "start"), ("to", "end")) if window.get(name)]
        filters = [
            f", {name} {value}" for name, value in self.options.items() if name not in ("page_size", "time_axis")
        ]
        return "".join([self.resource.replace("_", " "), *(parts or [", all of them"]), *filters])

    @property
    def warning(self) -> str:
        """What this way of reading may miss; empty for nothing."""
        if self.watermark is None or self.options.get("time_axis") != "meetingDate":
            return ""
        return (
            "A session that is entered later, for a meeting before the last run's end, will not be read: with "
            "incremental='watermark' use time_axis='createdAt'."
        )

    def save_watermark(self) -> None:
        """Note that all of it has landed."""
        if self.watermark is not None and self.end is not None:
            self.watermark.save(self.start, self.end)


def check_request(
    context: Mapping[str, Any],
    window: WindowArguments,
    *,
    resource: object,
    filters: object,
    time_axis: object,
    split_nested: object,
    page_size: object,
    maestroqa_conn_id: str,
) -> RecordRequest:
    """Check an operator's arguments and find its window.

    :raises MaestroQAConfigError: an argument is wrong; the message names it.
    """
    name = parse_choice(resource, "resource", RESOURCES)
    split = parse_flag(split_nested, "split_nested")
    if split and name != EXPORT:
        raise MaestroQAConfigError(f"split_nested is for {EXPORT}: the records of {name} have nothing nested.")
    if name != EXPORT and not LIST_RESOURCES[name].is_windowed:
        window.reject(name)
    names = _check_filters(filters, name)
    options: dict[str, Any]
    if name == EXPORT:
        options = {"time_axis": parse_choice(time_axis, "time_axis", TIME_AXES)}
        window = replace(window, start=_moment(window.start), end=_moment(window.end))
    else:
        options = {**names, "page_size": parse_page_size(page_size)}
    watermark = None
    if parse_incremental(window.incremental, **window.ends) == "watermark":
        bound_to = {"conn_id": maestroqa_conn_id, "filters": names, "time_axis": options.get("time_axis")}
        watermark = Watermark(context, resource=name, arguments=bound_to)
    start, end = _ends(context, window, name, watermark)
    if name == EXPORT:
        parse_day_range(start, end)
    else:
        list_parameters(name, start=start, end=end, **names)
    return RecordRequest(name, start, end, options, split, watermark)


def _ends(
    context: Mapping[str, Any], window: WindowArguments, resource: str, watermark: Watermark | None
) -> tuple[datetime | None, datetime | None]:
    if watermark is not None:
        # The export takes whole days, and the day that holds the mark is read again anyway.
        overlap = timedelta(0) if resource == EXPORT else OVERLAP
        start, end = resume_window(
            context, watermark, start=window.start, end=window.end, lookback=window.lookback, overlap=overlap
        )
        if start is None and resource == EXPORT:
            raise MaestroQAConfigError(
                "The first run with incremental='watermark' needs a beginning: pass start or lookback."
            )
        return start, end
    if window.incremental is None and window.is_empty and resource != EXPORT:
        return None, None
    resolved = resolve_window(context, **window.ends)
    return resolved.start, resolved.end


def _check_filters(filters: object, resource: str) -> dict[str, object]:
    if filters is None:
        return {}
    if not isinstance(filters, Mapping) or not all(isinstance(name, str) for name in filters):
        raise MaestroQAConfigError(f"filters must be a dict such as {{'agent_id': '72999'}}, got {filters!r}.")
    used = {name: value for name, value in filter_names(filters).items() if value is not None}
    if used and resource == EXPORT:
        raise MaestroQAConfigError(
            f"{EXPORT} takes no filters ({', '.join(used)}): it returns all sessions of its days. Land the list "
            "coaching_sessions instead, or filter what was landed."
        )
    for name in used:
        if name in _ARGUMENTS:
            raise MaestroQAConfigError(f"{name} is not a filter but an argument of the task: {_ARGUMENTS[name]}.")
    return used


def _moment(value: object) -> object:
    """A plain date as the midnight in UTC at which it begins; anything else as it is."""
    return parse_midnight(value, "start or end") if is_date(value) else value


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
