"""Small exports: one of each type, requested together, and a few of one file; landed in a temporary folder."""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount, Reply
from airflow_provider_maestroqa.check.storage_host import look_at_storage
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.client.resources.exports import (
    EXPORT_KINDS,
    Export,
    export_parameters,
    read_export_id,
)
from airflow_provider_maestroqa.hooks.signed_urls import secrets_to_mask
from airflow_provider_maestroqa.landing.download.resumable import DownloadLimits
from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
from airflow_provider_maestroqa.storage.open import open_store

#: What each export covers, as far as it has a window; all are the smallest that show their columns.
_DAYS = {"raw": 7, "audit_log": 1}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"raw": {"include_calibrations": "all"}}
#: Grades whose tickets are looked for.
_GRADES = 20
_GRADES_FILE = "total_scores"
_KEY = ("gradable_id", "rubric_id", "agent_id", "grader", "grade_type")
_FIRST_PAUSE_S, _MAX_WAIT_S = 3.0, 600.0
_LIMITS = DownloadLimits(max_bytes=256 << 20, max_attempts=3, deadline=300)


class Grade(NamedTuple):
    """A grade in an export.

    :param key: the cells that tell it apart; the first is the id of what was graded, the last the type of the grade.
    :param graded_at: when, as the cleaned file has it.
    """

    key: tuple[str, ...]
    graded_at: str


@dataclass
class SampleExport:
    """An export that the check has requested.

    :param export_type: its type.
    :param request: the response to its request.
    :param by_body: the first response to the documented look at it: a GET with a body.
    :param by_path: the first response to the other look at it.
    :param statuses: the statuses it had, in order.
    :param is_way_known: whether another export has shown which of the two works.
    :param urls: the signed URLs of its file, one for each look.
    :param files: what is in it, as the manifest of a landing says.
    :param problem: why it could not be landed, in words for the report.
    :param window: the time that it covers.
    :param grades: the grades in it.
    :param columns: of the grades.
    """

    export_type: str
    request: Reply
    window: Mapping[str, datetime] = field(default_factory=dict)
    by_body: Reply | None = field(default=None, repr=False)
    by_path: Reply | None = field(default=None, repr=False)
    statuses: list[str] = field(default_factory=list)
    is_way_known: bool = False
    urls: list[str] = field(default_factory=list, repr=False)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""
    grades: list[Grade] = field(default_factory=list, repr=False)
    columns: Sequence[str] = ()

    @property
    def gradable_ids(self) -> list[str]:
        """Some ids of what was graded."""
        ids = dict.fromkeys(one.key[0] for one in self.grades[:_GRADES])
        return [one for one in ids if one and "," not in one]

    @property
    def export_id(self) -> str | None:
        """Its id."""
        return read_export_id(self.request.content)

    @property
    def has_ended(self) -> bool:
        """Whether it needs no more looks."""
        export = Export("", self.statuses[-1]) if self.statuses else None
        return export is not None and (export.is_complete or export.is_failed)


def sample_exports(account: CheckedAccount) -> Mapping[str, SampleExport]:
    """The exports of the check by their types; requested when first needed."""
    if not account.exports:
        end = datetime.fromtimestamp(int(account.hook.clock.wall()), timezone.utc)
        for name in EXPORT_KINDS:
            days = _DAYS.get(name)
            window = {"start": end - timedelta(days=days), "end": end} if days else {}
            account.exports[name] = _request(account, name, window, **_OPTIONS.get(name, {}))
        _land_all(account, [*account.exports.values()])
    return account.exports


def export_grades(
    account: CheckedAccount, *windows: Mapping[str, datetime], options: Sequence[Mapping[str, Any]] = ({},)
) -> list[SampleExport]:
    """Request the grades alone, of several windows or with several options, and wait for them.

    :param windows: each has a ``start`` and an ``end``.
    :param options: what to request of each window.
    """
    by_body = sample_exports(account)["raw"].by_body
    exports = [
        _request(account, "raw", window, single_file_export=_GRADES_FILE, **others)
        for window in windows
        for others in options
    ]
    for one in exports:
        # How an export is looked at has been found out.
        one.by_body, one.is_way_known = by_body, True
    _land_all(account, exports)
    return exports


def _request(
    account: CheckedAccount, export_type: str, window: Mapping[str, datetime], **options: Any
) -> SampleExport:
    parameters = export_parameters(export_type, **window, export_name=SCRATCH_NAME, **options)
    reply = account.ask(build_request(EXPORT_KINDS[export_type].operation, parameters))
    return SampleExport(export_type, reply, window)


def _land_all(account: CheckedAccount, exports: Sequence[SampleExport]) -> None:
    """Land exports one after the other: while the first is waited for, the others become complete, too."""
    deadline = account.hook.clock.monotonic() + _MAX_WAIT_S
    for one in exports:
        if one.export_id is None:
            one.problem = f"it was not requested: {one.request.says}"
            continue
        _wait(account, one, deadline)
        _land(account, one)


def _wait(account: CheckedAccount, export: SampleExport, deadline: float) -> None:
    """Look at an export until it has ended, with growing pauses, so that this takes few requests."""
    clock, pause = account.hook.clock, _FIRST_PAUSE_S
    export.problem = "it was not complete in time"
    while True:
        _look(account, export)
        seconds_left = deadline - clock.monotonic()
        if export.has_ended or seconds_left <= 0:
            return
        clock.sleep(min(pause, seconds_left))
        pause *= 3


def _look(account: CheckedAccount, export: SampleExport) -> Reply:
    """Look at an export: both ways at first, then the way that works."""
    export_id = export.export_id or ""
    reply = None
    if export.by_body is None or export.by_body.is_success:
        reply = account.ask(build_request("get_export", {"exportId": export_id}))
        export.by_body = export.by_body or reply
        _add(account, export, reply)
    is_asked_both_ways = export.by_path is None and export.export_type == "raw" and not export.is_way_known
    if is_asked_both_ways or not (reply and reply.is_success):
        reply = look_by_path(account, export_id)
        export.by_path = export.by_path or reply
        _add(account, export, reply)
    return reply


def look_by_path(account: CheckedAccount, export_id: str) -> Reply:
    """Look at an export with its id in the path."""
    return account.send("GET", f"/export-data/{quote(export_id, safe='')}")


def _add(account: CheckedAccount, export: SampleExport, reply: Reply) -> None:
    if not reply.is_success:
        return
    seen = Export.from_response("", reply.content)
    export.statuses.append(seen.status)
    if seen.data_url:
        for secret in secrets_to_mask(seen.data_url):
            _compat.mask_secret(secret)
        account.redactor.learn(seen.data_url)
        export.urls.append(seen.data_url)


def _land(account: CheckedAccount, export: SampleExport) -> None:
    if not export.has_ended:
        return
    if not export.urls:
        export.problem = "it holds no data" if Export("", export.statuses[-1]).is_complete else "it failed"
        return
    urls = [export.urls[-1]]

    def fresh_url() -> str:
        if not urls:
            _look(account, export)
        return urls.pop() if urls else export.urls[-1]

    export.problem = ""
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH_NAME}-") as folder, account.hook.storage_session() as session:
        try:
            manifest = land_export(
                export_id=export.export_id or "",
                fresh_url=fresh_url,
                store=open_store(f"file://{folder}"),
                options=LandingOptions(file_format="csv", clean=True, limits=_LIMITS),
                session=session,
                log=account.hook.log.debug,
                clock=account.hook.clock,
            )
        except MaestroQADataError as error:
            export.problem = f"it cannot be read: {account.redactor.redact(error.message)}"
        except MaestroQAError as error:
            export.problem = f"it cannot be downloaded ({type(error).__name__})"
        else:
            export.files = manifest["files"]
            names = [entry["name"] for entry in export.files]
            # A bare CSV has a name of its own.
            name = names[0] if len(names) == 1 else f"{_GRADES_FILE}.csv"
            if export.export_type == "raw":
                _read_grades(export, Path(folder) / name)
            if export.export_type == "groups":
                account.download = look_at_storage(session, export.urls[-1])


def _read_grades(export: SampleExport, file: Path) -> None:
    # A cell may be larger than csv reads.
    with contextlib.suppress(FileNotFoundError, csv.Error), file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        export.columns = rows.fieldnames or ()
        for row in rows:
            key = tuple(row.get(name) or "" for name in _KEY)
            export.grades.append(Grade(key, row.get("date_graded") or ""))
