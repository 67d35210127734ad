"""The judge of what was pushed, attached and landed, by the sandbox's own record."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from landed_truth import read_landed
from push_truth import PushTruth, numbers_told

from airflow_provider_maestroqa.sandbox import Sandbox
from soak.director import Run
from soak.plan import Job
from soak.pushes import PUSHES, read_mark
from soak.worker import content_of


class Reader:
    """Reads again and again what was landed, as a consumer might at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}
        self.looks = 0
        self.broken: list[str] = []

    def look(self) -> None:
        """See what is there now, where anything has changed since the last time."""
        for place in sorted(self._folder.iterdir()):
            before = _identity(place)
            if before is None or (self._seen.get(place) == before and not place.name.startswith("shared")):
                continue
            self.looks += 1
            wrong = read_landed(reading(place))[1]
            # Where the manifest has changed meanwhile, the files that were read may be those of the next one.
            if wrong and _identity(place) == before:
                self.broken.append(f"{place.name}: {', '.join(wrong)}")
            self._seen[place] = before


def _identity(place: Path) -> tuple[int, int] | None:
    try:
        stat = (place / "_manifest.json").stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def reading(place: Path) -> Any:
    """What reads a landed file by its name."""

    def get_bytes(name: str) -> bytes | None:
        try:
            return (place / name).read_bytes()
        except FileNotFoundError:
            return None

    return get_bytes


class Witness:
    """Compares what the tasks say with what the sandbox has."""

    def __init__(self, sandbox: Sandbox, folder: Path, runs: list[Run]) -> None:
        self.sandbox, self.folder, self.runs = sandbox, folder, runs
        self.counts: Counter[str] = Counter()
        self.stored: dict[str, Counter[int]] = defaultdict(Counter)
        for push in PUSHES.values():
            for job, number in filter(None, map(read_mark, push.marks(sandbox))):
                self.stored[job][number] += 1
        self.too_large: dict[str, set[int]] = defaultdict(set)
        for request in sandbox.requests:
            if request.status == 413 and len(marks := set(marks_in(request.body))) == 1:
                job, number = marks.pop()
                self.too_large[job].add(number)

    def broken_promises(self) -> list[str]:
        """All that is not as it was promised."""
        broken = []
        for run in self.runs:
            if not run.ended or len(run.values) < len(run.job.stages):
                problems = [f"did not end; last: {run.errors[-1:]}"]
            elif run.job.total:
                problems = self._push(run)
            else:
                problems = {"attachment": self._attachment, "export": self._export, "records": self._records}[
                    run.job.kind
                ](run)
            broken += [f"{run.job.name} ({run.job.kind}): {problem}" for problem in problems]
        return broken

    def told(self, job: Job) -> list[str]:
        """The lines of a task's log that are warnings or errors."""
        return [
            line
            for line in self._log(job).splitlines()
            if line.startswith(("WARNING", "ERROR")) or "[warning" in line
        ]

    def _log(self, job: Job) -> str:
        return (self.folder / "logs" / f"{job.name}.log").read_text(errors="replace")

    def _push(self, run: Run) -> list[str]:
        job, report = run.job, run.values[0]
        stored, resends = self.stored[job.name], job.stages[0].arguments["on_unknown_outcome"] == "resend"
        truth = PushTruth(
            total=job.total,
            bad=set(job.bad),
            stored=set(stored),
            twice={number for number, count in stored.items() if count > 1},
            told={number for line in self.told(job) for number in numbers_told(line)},
            may_be_twice=range(job.total) if resends else (),
            may_be_rejected=self.too_large[job.name],
        )
        rejects = self.folder / "rejects" / f"{job.name}.jsonl"
        lines = rejects.read_bytes().splitlines() if rejects.exists() else []
        self.counts["records"] += job.total
        self.counts["records in doubt, told"] += report["unconfirmed"]
        self.counts["records rejected, told"] += report["rejected"]
        self.counts["records twice, by choice"] += len(truth.twice)
        return truth.broken_by(report, [json.loads(line)["index"] for line in lines])

    def _attachment(self, run: Run) -> list[str]:
        attachments = self.sandbox.attachments
        self.counts["attachments"] += 1
        mine = [one for one in attachments.values() if one["ticket_id"] == run.job.name]
        if len(mine) != 1:
            return [f"{len(mine)} attachments"]
        upload = attachments[run.values[0]["id"]]["upload"]
        digest = hashlib.sha256(content_of(run.job)).hexdigest()
        return [] if upload and upload["sha256"] == digest else ["the attachment has other bytes"]

    def _export(self, run: Run) -> list[str]:
        manifest, job = run.values[-1], run.job
        self.counts["landings"] += 1
        export = self.sandbox.exports[manifest["export_id"]]
        problems = self._landed(run)
        if manifest["has_data"] == (export.outcome == "no_data"):
            problems.append(f"has_data is {manifest['has_data']}, and the export's outcome {export.outcome}")
        elif manifest["has_data"]:
            problems += _differences(manifest, export, job.stages[-1].arguments["clean"])
        # A task that had succeeded and was tried again all the same names both in its log.
        log = self._log(job)
        mine = [one.export_id for one in self.sandbox.exports.values() if one.parameters.get("name") == job.name]
        unnamed = sum(export_id not in log for export_id in mine)
        told = log.count("there may be two exports")
        self.counts["exports requested again, told"] += len(mine) - 1
        if unnamed > told:
            problems.append(f"{unnamed} exports that no line of its log names, and {told} that it says there may be")
        return problems

    def _records(self, run: Run) -> list[str]:
        manifest, arguments = run.values[0], run.job.stages[0].arguments
        self.counts["landings"] += 1
        problems = self._landed(run)
        place = self.folder / "landed" / arguments["destination"]
        if read_landed(reading(place))[0] != manifest:
            return problems  # another task has landed there since
        if arguments["resource"] == "coaching_sessions_export":
            name, expected = "sessions", self.sandbox.exported_sessions(arguments["start"], arguments["end"])
        else:
            name, expected = arguments["resource"], getattr(self.sandbox, arguments["resource"])
        lines = gzip.decompress((place / f"{name}.jsonl.gz").read_bytes()).splitlines()
        ids = Counter(_id_of(json.loads(line)) for line in lines)
        if ids != Counter(_id_of(one) for one in expected):
            problems.append(f"{ids.total()} records were landed, and there are {len(expected)}, or others")
        return problems

    def _landed(self, run: Run) -> list[str]:
        """At a destination of its own, what is there in the end is what the task has returned."""
        destination = run.job.stages[-1].arguments["destination"]
        if destination.startswith("shared"):
            return []
        there, wrong = read_landed(reading(self.folder / "landed" / destination))
        return [*wrong, *(["another manifest is there"] if there != run.values[-1] else [])]


def _differences(manifest: dict[str, Any], export: Any, is_clean: bool) -> Iterable[str]:
    """What a manifest says otherwise than the sandbox, which made the files."""
    files = {file["name"].removesuffix(".gz"): file for file in manifest["files"]}
    if manifest["file_format"] == "zip":
        (file,) = files.values()
        return [] if file["sha256"] == export.stored.sha256 else ["the archive has other bytes"]
    if len(files) != len(export.files):
        return [f"{len(files)} files of {len(export.files)}"]
    if is_clean or manifest["file_format"] == "parquet":
        rows = Counter(file["rows"] for file in files.values())
        return [] if rows == Counter(file.rows for file in export.files.values()) else ["other numbers of rows"]
    contents = Counter((file["content_bytes"], file["crc32"]) for file in files.values())
    truth = Counter((file.bytes, file.crc32) for file in export.files.values())
    return [] if contents == truth else ["files have other contents"]


def _id_of(record: dict[str, Any]) -> str:
    return str(record.get("_id", record.get("id")))


def marks_in(body: Any) -> Iterable[tuple[str, int]]:
    """The records that a request is about."""
    if isinstance(body, str):
        name, _, number = body.partition("@")[0].rpartition("-")
        found = read_mark(body) or ((name, int(number)) if name.startswith("k") and number.isdigit() else None)
        return [found] if found else []
    parts = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return [found for part in parts for found in marks_in(part)]
