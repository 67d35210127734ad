"""One small export of each type: requested together, and landed in a temporary folder."""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount, Reply
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
_FIRST_PAUSE_S, _MAX_WAIT_S = 3.0, 600.0
_LIMITS = DownloadLimits(max_bytes=256 << 20, max_attempts=3, deadline=300)


@dataclass
class SampleExport:
    """An export that the check has requested.

    :param export_type: its type.
    :param request: the response to its request.
    :param by_body: the first response to the documented look at it: a GET with a body.
    :param by_path: the first response to the other look at it.
    :param statuses: the statuses it had, in order.
    :param urls: the signed URLs of its file, one for each look.
    :param files: what is in it, as the manifest of a landing says.
    :param problem: why it could not be landed, in words for the report.
    :param gradable_ids: some ids of what was graded.
    """

    export_type: str
    request: Reply
    by_body: Reply | None = field(default=None, repr=False)
    by_path: Reply | None = field(default=None, repr=False)
    statuses: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list, repr=False)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""
    gradable_ids: list[str] = field(default_factory=list, repr=False)

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
        account.exports.update({name: SampleExport(name, _request(account, name)) for name in EXPORT_KINDS})
        deadline = account.hook.clock.monotonic() + _MAX_WAIT_S
        # One after the other: while the largest is waited for, the others become complete, too.
        for one in account.exports.values():
            if one.export_id is not None:
                _wait(account, one, deadline)
                _land(account, one)
    return account.exports


def _request(account: CheckedAccount, export_type: str) -> Reply:
    window: dict[str, datetime] = {}
    if days := _DAYS.get(export_type):
        end = datetime.fromtimestamp(int(account.hook.clock.wall()), timezone.utc)
        window = {"start": end - timedelta(days=days), "end": end}
    options = {"export_name": SCRATCH_NAME, **_OPTIONS.get(export_type, {})}
    parameters = export_parameters(export_type, **window, **options)
    return account.ask(build_request(EXPORT_KINDS[export_type].operation, parameters))


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
    if (export.by_path is None and export.export_type == "raw") or not (reply and reply.is_success):
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
            export.gradable_ids = _gradable_ids(Path(folder) / "total_scores.csv")


def _gradable_ids(file: Path) -> list[str]:
    ids: dict[str, None] = {}
    # A cell may be larger than csv reads.
    with contextlib.suppress(FileNotFoundError, csv.Error), file.open(encoding="utf-8", newline="") as lines:
        for row in islice(csv.DictReader(lines), _GRADES):
            ids[row.get("gradable_id") or ""] = None
    return [one for one in ids if one and "," not in one]
