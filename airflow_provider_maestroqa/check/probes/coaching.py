"""The export of coaching sessions."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from airflow_provider_maestroqa.check.account import CheckedAccount, Reply
from airflow_provider_maestroqa.check.finding import Finding, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES

_FIELDS = ("_id", "createdAt", "activityLog", "coachingPoints", "todos")
_DAY = timedelta(days=1)
#: In a year before MaestroQA had customers, so that the response is empty.
_QUIET = date(2010, 1, 1)
_DAYS, _FEW_DAYS = 90, 30


def _known_session(account: CheckedAccount) -> tuple[str, date] | None:
    """A session's id and the day of its creation."""
    page = account.first_page(LIST_RESOURCES["coaching_sessions"])
    if not page.records or not isinstance(page.records[0].get("createdAt"), str):
        return None

    def from_noon(moment: datetime) -> float:
        return abs(moment.hour + moment.minute / 60 - 12)

    # Far from midnight, it is the same day in most time zones.
    moments = [parse_time(record["createdAt"], "createdAt") for record in page.records]
    place = min(range(len(moments)), key=lambda place: from_noon(moments[place]))
    return page.ids[place], moments[place].date()


def _export(account: CheckedAccount, start: date, end: date) -> Reply:
    key = ("coaching", start, end)
    if key not in account.replies:
        body = {"startDate": start.isoformat(), "endDate": end.isoformat(), "timeAxis": "createdAt"}
        account.replies[key] = account.ask(build_request("export_coaching_sessions", body))
    return account.replies[key]


def _sessions(reply: Reply) -> list[dict[str, Any]]:
    return [one for one in reply.content if isinstance(one, dict)] if isinstance(reply.content, list) else []


def _has(reply: Reply, session_id: str) -> bool:
    return any(session_id in (one.get("_id"), one.get("id")) for one in _sessions(reply))


def _end_day(account: CheckedAccount) -> Finding:
    known = _known_session(account)
    if known is None:
        return not_seen("there are no coaching sessions")
    session_id, day = known
    if _has(_export(account, day, day), session_id):
        return told(True, "an export of one day has its session", export_end_day="included")
    if _has(_export(account, day, day + _DAY), session_id):
        return told(False, "only an export to the next day has the session", export_end_day="excluded")
    return not_seen("the export does not have the session of the list")


def _form(account: CheckedAccount) -> Finding:
    known = _known_session(account)
    if known is None:
        return not_seen("there are no coaching sessions")
    day = known[1]
    reply = next((one for end in (day, day + _DAY) if _sessions(one := _export(account, day, end))), None)
    if reply is None:
        reply = _export(account, day, day)
        return not_seen("no session in it") if reply.is_success else otherwise(reply.says)
    missing = [name for name in _FIELDS if name not in _sessions(reply)[0]]
    seen = f"an array of sessions; missing: {shown_names(missing)}"
    ending = [name for name in ("deprecation", "sunset") if name in reply.headers]
    return told(not missing, f"{seen}; headers about an end: {shown_names(ending)}")


def _range(account: CheckedAccount) -> Finding:
    reply = _export(account, _QUIET, _QUIET + _DAYS * _DAY)
    if reply.is_success:
        return told(True, f"{_DAYS} days: {reply.says}")
    fewer = _export(account, _QUIET, _QUIET + _FEW_DAYS * _DAY)
    profile = {"export_max_days": _FEW_DAYS} if fewer.is_success else {}
    return told(False, f"{_DAYS} days: {reply.says}; {_FEW_DAYS} days: {fewer.says}", **profile)


PROBES = (
    Probe(
        "coaching_export",
        "The export of coaching sessions is there, and is an array of sessions with what belongs to them.",
        "Land the lists of coaching sessions, coaching points and to-dos instead.",
        _form,
    ),
    Probe(
        "coaching_end_day",
        "An export of coaching sessions includes its end day.",
        "The last day of a range is missing. Land one day more; sessions are told apart by their id.",
        _end_day,
    ),
    Probe(
        "coaching_range",
        f"An export of coaching sessions may cover {_DAYS} days.",
        "Longer ranges fail: map the task over shorter ones.",
        _range,
    ),
)
