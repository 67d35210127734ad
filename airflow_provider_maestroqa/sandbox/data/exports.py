"""Exports: their parameters, their progress, and their files."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import threading
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_maestroqa.sandbox.data import documents
from airflow_provider_maestroqa.sandbox.data.export_cells import CALIBRATION, Content
from airflow_provider_maestroqa.sandbox.data.export_files import ExportFile, is_zip, write_export_file
from airflow_provider_maestroqa.sandbox.data.export_rows import file_names
from airflow_provider_maestroqa.sandbox.options import SandboxOptions
from airflow_provider_maestroqa.sandbox.storage.stored_object import HashingFile, StoredObject
from airflow_provider_maestroqa.sandbox.validation import parse_date

#: How long a poll may wait for a big file before it reports that the export is in progress, in seconds.
_MAX_WAIT = 3.0
#: Whether a moment is in a window, by the option that says so; the arguments are start, end and moment.
_EDGES: Mapping[str, Callable[[datetime, datetime, datetime], bool]] = {
    "half_open": lambda start, end, moment: start <= moment < end,
    "included": lambda start, end, moment: start <= moment <= end,
    "excluded": lambda start, end, moment: start < moment < end,
}


@dataclass
class Export:
    """One export.

    :param export_id: as given to the client.
    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param parameters: the parameters of the request.
    :param requested_at: Unix seconds by the sandbox's clock.
    :param polls: how often it was polled.
    :param outcome: ``errored``, ``never``, ``no_data`` or ``completed`` when a fault decided so.
    :param url: the last presigned URL of its file.
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
        """The one file of a raw export that was requested."""
        return self.parameters.get("singleFileExport")

    @property
    def key(self) -> str:
        """Path of its file on the storage host."""
        if is_zip(self.export_type, self.single_file):
            name = re.sub(r"[^A-Za-z0-9_-]+", "_", self.parameters.get("name", ""))[:60].strip("_") or "raw_export"
            return f"/exports/{self.export_id}/{name}.zip"
        (name,) = file_names(self.export_type, self.single_file)
        return f"/exports/{self.export_id}/{name}.csv"

    def has_data(self, now: float) -> bool:
        """Whether anything can be in it: not when its window is empty or has not begun yet."""
        if self.outcome == "no_data" or self.window is None:
            return self.outcome != "no_data"
        start, end = self.window
        return start < end and start.timestamp() < now

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """The time that it covers."""
        if "startDate" not in self.parameters:
            return None
        return parse_date(self.parameters["startDate"]), parse_date(self.parameters["endDate"])

    def content(self, seed: int, *, includes: bool = False) -> Content:
        """What decides the content of its file.

        :param includes: whether calibrations, grades of graders and deleted grades are in it by default.
        """
        if self.window is None:
            return Content(seed=seed)
        calibrations = self.parameters.get("includeCalibrations", "all" if includes else "none")
        grade_types = (CALIBRATION,) if calibrations == "only" else Content().grade_types
        if calibrations == "all":
            grade_types += (CALIBRATION,)
        if self.parameters.get("includeGraderQA", includes):
            grade_types += ("Grader QA",)
        is_deleted_in = bool(self.parameters.get("includeDeleted", includes and self.export_type == "raw"))
        return Content(seed, self.window, grade_types, deleted=is_deleted_in)


@dataclass
class Exports:
    """All exports, and the files that come out of them."""

    options: SandboxOptions
    directory: Path
    by_id: dict[str, Export] = field(default_factory=dict)
    objects: dict[str, StoredObject] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._add_documented()
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="maestroqa-sandbox-files")

    def clear(self) -> None:
        """Remove all exports and their files, but those of the start."""
        self.by_id.clear()
        # A copy: a thread may be about to store the file of an export that has just been removed.
        for stored in list(self.objects.values()):
            stored.file.unlink(missing_ok=True)
        self.objects.clear()
        self._add_documented()

    def close(self) -> None:
        """Stop making files."""
        self.stopping.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def add(self, export_type: str, parameters: Mapping[str, Any], export_id: str) -> Export:
        """Add an export that was requested."""
        export = Export(export_id, export_type, parameters, self.options.clock())
        self.by_id[export_id] = export
        return export

    def begin(self, export: Export) -> None:
        """Make the export's file in the background, once."""
        if export.making is None and export.stored is None:
            export.making = asyncio.create_task(self._run(self._write, export, 0))
            export.making.add_done_callback(_retrieve_exception)

    def is_due(self, export: Export) -> bool:
        """Whether it was polled often enough, and requested long enough ago, to be at its end."""
        return (
            export.polls > self.options.polls and self.options.clock() >= export.requested_at + self.options.seconds
        )

    async def poll(self, export: Export) -> str:
        """Count a poll, and give the export's status."""
        export.polls += 1
        if not self.is_due(export) or export.outcome == "never":
            return "requested" if export.polls == 1 else "in_progress"
        if export.outcome == "errored":
            return "errored"
        if export.has_data(self.options.clock()):
            self.begin(export)
            if export.making is not None:
                await asyncio.wait([export.making], timeout=_MAX_WAIT)
                if not export.making.done():
                    return "in_progress"
                export.making.result()
        return "completed" if export.outcome == "completed" else self.options.complete_status

    async def change(self, export: Export) -> None:
        """Make another file with other content under the same key."""
        await self._run(self._write, export, 1_000_003)

    async def recompress(self, export: Export) -> None:
        """Make a bare CSV a ZIP with this one file, under the same key."""
        await self._run(self._zip, export)

    async def replace(self, export: Export, data: bytes | Path) -> None:
        """Put other bytes under the export's key, unless they are there already."""
        await self._run(self._put, export, data)

    def _add_documented(self) -> None:
        if self.options.account == "documents":
            self.add("raw", documents.EXPORT_WINDOW, documents.EXPORT_ID)

    async def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

    def _write(self, export: Export, seed_offset: int) -> None:
        path = self._new_path(export)
        with path.open("wb") as file:
            target = HashingFile(file)
            files = write_export_file(
                target,  # type: ignore[arg-type]
                export_type=export.export_type,
                rows=self.options.rows,
                single_file=export.single_file,
                content=replace(
                    self._content(export, self.options.seed + seed_offset),
                    more_columns=tuple(self.options.more_columns),
                    missing_columns=tuple(self.options.missing_columns),
                    doubled_records=self.options.doubled_records,
                ),
                cancelled=self.stopping.is_set,
            )
        zipped = is_zip(export.export_type, export.single_file)
        self._store(export, path, target, "application/zip" if zipped else "text/csv", files)

    def _content(self, export: Export, seed: int) -> Content:
        """What decides the content of an export: its own window, or a part of that of an earlier one."""
        content = export.content(seed, includes=self.options.export_defaults == "included")
        is_in = _EDGES.get(self.options.export_windows)
        if is_in is None or export.window is None:
            return content
        start, end = export.window
        for whole in list(self.by_id.values()):
            if whole is export:
                break
            if whole.export_type == export.export_type and whole.window and whole.window != export.window:
                first, last = whole.window
                if first <= start and end <= last:
                    return replace(content, window=whole.window, is_in=partial(is_in, start, end))
        return content

    def _zip(self, export: Export) -> None:
        stored = export.stored
        if stored is None or stored.content_type != "text/csv":
            return
        path = self._new_path(export)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(stored.file, next(iter(stored.files)))
        with path.open("rb") as file, Path(os.devnull).open("wb") as nowhere:
            target = HashingFile(nowhere)
            shutil.copyfileobj(file, target, 1 << 20)
        self._store(export, path, target, "application/zip", stored.files)

    def _put(self, export: Export, data: bytes | Path) -> None:
        path = self._new_path(export)
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
        content_type = stored.content_type if stored is not None else "application/octet-stream"
        self._store(export, path, target, content_type, {})

    def _new_path(self, export: Export) -> Path:
        return self.directory / f"{export.export_id}-{secrets.token_hex(4)}"

    def _store(
        self, export: Export, path: Path, target: HashingFile, content_type: str, files: Mapping[str, ExportFile]
    ) -> None:
        if self.by_id.get(export.export_id) is not export:
            path.unlink(missing_ok=True)
            return
        modified = float(int(self.options.clock()))
        stored = StoredObject(export.key, path, target.size, target.sha256, target.md5, modified, content_type, files)
        self.objects[stored.key] = stored
        export.stored = stored


def _retrieve_exception(making: asyncio.Task[None]) -> None:
    # A poll raises it again; when none comes, asyncio is not to complain that it was never retrieved.
    if not making.cancelled():
        making.exception()
