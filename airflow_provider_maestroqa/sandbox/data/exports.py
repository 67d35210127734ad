"""Exports: what was asked for, how far it is, and the file that comes out."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_maestroqa.sandbox.data.export_files import ExportFile, is_zip, write_export_file
from airflow_provider_maestroqa.sandbox.data.export_rows import Content
from airflow_provider_maestroqa.sandbox.dates import parse_date
from airflow_provider_maestroqa.sandbox.state import State
from airflow_provider_maestroqa.sandbox.storage.stored_object import HashingFile, StoredObject

#: How long a poll may wait for a big file before it answers that the export goes on, in seconds.
_PATIENCE = 3.0


@dataclass
class Export:
    """One export.

    :param export_id: as given to the client.
    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param parameters: what the client asked for.
    :param requested_at: Unix seconds by the sandbox's clock.
    :param polls: how often its status was asked for.
    :param outcome: ``errored``, ``never``, ``no_data`` or ``completed`` when a fault decided so.
    :param url: the last presigned URL given out.
    """

    export_id: str
    export_type: str
    parameters: Mapping[str, Any]
    requested_at: float
    polls: int = 0
    outcome: str | None = None
    url: str | None = None
    stored: StoredObject | None = None
    making: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def files(self) -> Mapping[str, ExportFile]:
        """The CSV files in it by name, once it is complete: their records, bytes and checksums."""
        return self.stored.files if self.stored else {}

    @property
    def single_file(self) -> str | None:
        """The one file of a raw export that was asked for."""
        return self.parameters.get("singleFileExport")

    @property
    def key(self) -> str:
        """Path of its file on the storage host."""
        name = {"groups": "agent_groups", "audit_log": "audit_logs"}.get(self.export_type, self.single_file)
        if name is None:
            name = re.sub(r"[^A-Za-z0-9_-]+", "_", self.parameters.get("name", ""))[:60].strip("_") or "raw_export"
            return f"/exports/{self.export_id}/{name}.zip"
        return f"/exports/{self.export_id}/{name}.csv"

    def has_data(self, now: float) -> bool:
        """Whether anything can be in it: not when its window is empty or has not begun yet."""
        if self.outcome == "no_data" or "startDate" not in self.parameters:
            return self.outcome != "no_data"
        start, end = (parse_date(self.parameters[name]) for name in ("startDate", "endDate"))
        return start < end and start.timestamp() < now


def new_export(state: State, export_type: str, parameters: Mapping[str, Any], export_id: str) -> Export:
    """Take an export on."""
    export = Export(export_id, export_type, parameters, state.clock())
    state.exports[export_id] = export
    return export


def new_export_id() -> str:
    """An id that was never given out."""
    return secrets.token_hex(12)


def begin(state: State, export: Export) -> None:
    """Make the export's file in the background, once."""
    if export.making is None and export.stored is None:
        export.making = asyncio.create_task(_make(state, export))
        export.making.add_done_callback(_note_failure)


def is_due(state: State, export: Export) -> bool:
    """Whether it has been asked for often enough, and long enough ago, to be at its end."""
    return export.polls > state.settings.polls and state.clock() >= export.requested_at + state.settings.seconds


async def status(state: State, export: Export) -> str:
    """Count a poll, and say how far the export is."""
    export.polls += 1
    if not is_due(state, export) or export.outcome == "never":
        return "requested" if export.polls == 1 else "in_progress"
    if export.outcome == "errored":
        return "errored"
    if export.has_data(state.clock()):
        begin(state, export)
        if export.making is not None:
            await asyncio.wait([export.making], timeout=_PATIENCE)
            if not export.making.done():
                return "in_progress"
            export.making.result()
    return "completed" if export.outcome == "completed" else "complete"


def download_url(state: State, export: Export) -> str:
    """A fresh presigned URL, or nothing when there is no data."""
    if export.stored is None or not export.has_data(state.clock()):
        return ""
    export.url = state.signer.presign(
        state.storage_url, export.stored.key, now=state.clock(), ttl=state.settings.url_ttl
    )
    return export.url


async def change(state: State, export: Export) -> None:
    """Make another file with other content under the same key."""
    await asyncio.get_running_loop().run_in_executor(state.executor, _write, state, export, 1_000_003)


async def zip_up(state: State, export: Export) -> None:
    """Make a bare CSV a ZIP with this one file, under the same key."""
    await asyncio.get_running_loop().run_in_executor(state.executor, _zip_up, state, export)


async def replace(state: State, export: Export, data: bytes | Path) -> None:
    """Put other bytes under the export's key, unless they are there already."""
    await asyncio.get_running_loop().run_in_executor(state.executor, _put, state, export, data)


def _note_failure(making: asyncio.Task[None]) -> None:
    # A poll raises it again; when none comes, nobody is to complain that it was never looked at.
    if not making.cancelled():
        making.exception()


async def _make(state: State, export: Export) -> None:
    await asyncio.get_running_loop().run_in_executor(state.executor, _write, state, export, 0)


def _content(state: State, export: Export, seed_offset: int) -> Content:
    asked = export.parameters
    seed = state.settings.seed + seed_offset
    if "startDate" not in asked:
        return Content(seed=seed)
    calibrations = asked.get("includeCalibrations", "none")
    grade_types = ("Calibration",) if calibrations == "only" else Content().grade_types
    if calibrations == "all":
        grade_types += ("Calibration",)
    if asked.get("includeGraderQA"):
        grade_types += ("Grader QA",)
    return Content(seed, (parse_date(asked["startDate"]), parse_date(asked["endDate"])), grade_types)


def _write(state: State, export: Export, seed_offset: int) -> None:
    path = state.directory / f"{export.export_id}-{secrets.token_hex(4)}"
    content = _content(state, export, seed_offset)
    with path.open("wb") as file:
        target = HashingFile(file)
        files = write_export_file(
            target,  # type: ignore[arg-type]
            export_type=export.export_type,
            rows=state.settings.rows,
            single_file=export.single_file,
            content=content,
            cancelled=state.stopping.is_set,
        )
    zipped = is_zip(export.export_type, export.single_file)
    kind = "application/zip" if zipped else "text/csv"
    _store(state, export, StoredObject(export.key, path, target.size, target.sha256, _now(state), kind, files))


def _zip_up(state: State, export: Export) -> None:
    stored = export.stored
    if stored is None or stored.content_type != "text/csv":
        return
    path = state.directory / f"{export.export_id}-{secrets.token_hex(4)}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(stored.file, next(iter(stored.files)))
    with path.open("rb") as file, Path(os.devnull).open("wb") as nowhere:
        target = HashingFile(nowhere)
        shutil.copyfileobj(file, target, 1 << 20)
    zipped = StoredObject(export.key, path, target.size, target.sha256, _now(state), "application/zip", stored.files)
    _store(state, export, zipped)


def _put(state: State, export: Export, data: bytes | Path) -> None:
    path = state.directory / f"{export.export_id}-{secrets.token_hex(4)}"
    with path.open("wb") as file:
        target = HashingFile(file)
        if isinstance(data, bytes):
            target.write(data)
        else:
            with data.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    stored = export.stored
    if stored is not None and stored.sha256 == target.sha256:
        path.unlink()
        return
    kind = stored.content_type if stored is not None else "application/octet-stream"
    _store(state, export, StoredObject(export.key, path, target.size, target.sha256, _now(state), kind))


def _store(state: State, export: Export, stored: StoredObject) -> None:
    if state.exports.get(export.export_id) is not export:
        stored.file.unlink(missing_ok=True)
        return
    state.objects[stored.key] = stored
    export.stored = stored


def _now(state: State) -> float:
    return datetime.fromtimestamp(state.clock(), timezone.utc).replace(microsecond=0).timestamp()
