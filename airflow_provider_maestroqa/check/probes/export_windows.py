"""Raw exports: what they hold by default, and what is at the border of two windows."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise
from airflow_provider_maestroqa.check.hook import MAX_REQUESTS
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.sample_exports import SampleExport, export_grades, sample_exports
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.client.resources.export_files import DELETED_COLUMN

#: Two exports: each is requested once, and looked at once or a few times more.
_REQUESTS = 6
_OFF = {"include_calibrations": "none", "include_grader_qa": False, "include_deleted": False}


def _defaults(account: CheckedAccount) -> Finding:
    sample = sample_exports(account)["raw"]
    if not sample.grades:
        return not_seen(sample.problem or "no grades in the last week")
    if reason := _too_few_requests(account):
        return not_seen(reason)
    silent, off = export_grades(account, sample.window, options=({}, _OFF))
    account.grades = silent
    if not (silent.files and off.files):
        return not_seen(silent.problem or off.problem)
    seen = f"{_shown(silent)} without the options, {_shown(off)} with all switched off"
    if _content(silent) == _content(off):
        if _content(sample) == _content(off):
            return not_seen(f"{seen}, and as many with calibrations: there are none to tell by")
        return as_read(f"{seen}; {_shown(sample)} with calibrations", export_defaults="excluded")
    is_all = _content(silent)[0] >= _content(sample)[0]
    return otherwise(seen, **({"export_defaults": "included"} if is_all else {}))


def _edges(account: CheckedAccount) -> Finding:
    if reason := _too_few_requests(account):
        return not_seen(reason)
    whole: SampleExport | None = account.grades
    if whole is None or not whole.files:
        return not_seen("no export of grades to cut in two")
    moments = sorted(moment for one in whole.grades if (moment := _moment(one.graded_at)) is not None)
    if not moments:
        return not_seen("no grades in the last week")
    middle = moments[len(moments) // 2]
    windows = ({**whole.window, "end": middle}, {**whole.window, "start": middle})
    first, second = export_grades(account, *windows)
    if not (first.has_ended and second.has_ended) or not (first.files or second.files):
        return not_seen(first.problem or second.problem)
    grades, one, other = (set(export.grades) for export in (whole, first, second))
    if not grades & (one | other):
        return not_seen("the two parts of a window hold none of its grades as they were")
    twice, nowhere = len(grades & one & other), len(grades - one - other)
    seen = f"a window with {len(grades):,} grades, cut at one of them: {len(one):,} and {len(other):,}"
    if twice or nowhere:
        edges = "" if twice and nowhere else "included" if twice else "excluded"
        seen += f"; {twice:,} come twice, {nowhere:,} are missing"
        return otherwise(seen, **({"export_windows": edges} if edges else {}))
    return as_read(f"{seen}; each comes once", export_windows="half_open")


def _content(export: SampleExport) -> tuple[frozenset[str], int]:
    """What tells exports of one window apart: the types of their grades, and how many there are."""
    marks = {DELETED_COLUMN} & set(export.columns)
    return frozenset({*(one.key[-1] for one in export.grades), *marks}), len(export.grades)


def _shown(export: SampleExport) -> str:
    types, number = _content(export)
    shown = f"{pluralize(number, 'grades')} of {pluralize(len(types - {DELETED_COLUMN}), 'types')}"
    return f"{shown} and {DELETED_COLUMN}" if DELETED_COLUMN in types else shown


def _moment(text: str) -> datetime | None:
    try:
        return parse_time(text, "date_graded")
    except MaestroQAConfigError:
        return None


def _too_few_requests(account: CheckedAccount) -> str:
    left = account.hook.client.requests_left
    if left >= _REQUESTS:
        return ""
    return f"{left} of the {MAX_REQUESTS} requests of a check are left: try it without --write and --burst"


PROBES = (
    Probe(
        "export_defaults",
        "A raw export that does not say so has no calibrations, no grades of graders and nothing that was deleted.",
        "Name `include_calibrations`, `include_grader_qa` and `include_deleted` in each request.",
        _defaults,
    ),
    Probe(
        "export_edges",
        "The raw exports of two windows that meet hold each grade of both together once.",
        "A grade at the border comes twice, which a MERGE by its key undoes, or is missing: let windows overlap.",
        _edges,
    ),
)
