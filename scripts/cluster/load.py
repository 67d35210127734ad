"""What the cluster has to do: how much, the files that it pushes, and the run from its start to its end."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from requests import RequestException

from cluster.airflow_api import AirflowAPI
from cluster.surroundings import BUCKET, Surroundings

DAG_ID = "cluster_load"
#: What the error of a push says of comments that may or may not have arrived.
_UNKNOWN = re.compile(r"It is not known whether records? (\d+)(?: to (\d+))?")
_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Load:
    """How much there is to do.

    :param exports: each of a day: requested, waited for in a triggerer, landed.
    :param metrics: records, in as many files as mapped tasks push them.
    :param comments: likewise.
    """

    exports: int
    metrics: int = 0
    metrics_files: int = 0
    comments: int = 0
    comments_files: int = 0
    poll_interval: float = 5.0

    @property
    def metrics_batches(self) -> int:
        """The requests that push the metrics: each file in batches of 500."""
        sizes = (len(part_of(self.metrics, self.metrics_files, part)) for part in range(self.metrics_files))
        return sum(-(-size // 500) for size in sizes)

    def files(self, run_id: str) -> dict[str, bytes]:
        """The files to push, by their keys."""
        of_resources = {
            "ticket_metrics": (self.metrics, self.metrics_files, _metric),
            "comments": (self.comments, self.comments_files, _comment),
        }
        files = {}
        for resource, (count, parts, record) in of_resources.items():
            for part in range(parts):
                lines = (json.dumps(record(run_id, number)) for number in part_of(count, parts, part))
                files[f"{run_id}/{resource}/{part}.jsonl.gz"] = gzip.compress("\n".join(lines).encode(), 1)
        return files

    def conf(self, run_id: str) -> dict[str, Any]:
        """What the run of the DAG gets."""
        return {
            "exports": self.exports,
            "poll_interval": self.poll_interval,
            "ticket_metrics": f"{run_id}/ticket_metrics",
            "ticket_metrics_files": self.metrics_files,
            "comments": f"{run_id}/comments",
            "comments_files": self.comments_files,
        }


def part_of(count: int, parts: int, part: int) -> range:
    """The numbers of the records in a file."""
    return range(count * part // parts, count * (part + 1) // parts)


def body_of(run_id: str, number: int) -> str:
    """The text of a comment, which no other has."""
    return f"{run_id}: {number}"


def _metric(run_id: str, number: int) -> dict[str, Any]:
    return {
        "ticket_id": f"T-{number}",
        "source_id": "helpdesk",
        "agent_id": "agent-1",
        "metric_id": run_id,
        "metric_value": number % 100,
        "timestamp": "2025-01-01T00:00:00Z",
    }


def _comment(run_id: str, number: int) -> dict[str, Any]:
    return {"ticket_id": f"T-{number % 100}", "body": body_of(run_id, number)}


@dataclass
class Run:
    """A run of the load, and what is known of it besides the sandbox's record.

    :param run_id: also the prefix of all that it writes.
    :param began: Unix time.
    :param unknown: records of which a task said that it does not know whether they arrived.
    :param settled: what the user then decided, by the index of the task.
    """

    run_id: str
    load: Load
    began: float = 0.0
    ended: float = 0.0
    state: str = ""
    unknown: int = 0
    settled: dict[int, str] | None = None


def run_load(
    api: AirflowAPI,
    around: Surroundings,
    run: Run,
    patience_s: float,
    *meanwhile: Callable[[], None],
) -> None:
    """Run the DAG to its end; where an outcome is unknown, look and decide as a user would.

    :param patience_s: seconds after which the run is given up.
    :param meanwhile: called again and again while it runs.
    :raises TimeoutError: it has not ended in time.
    """
    for key, content in run.load.files(run.run_id).items():
        around.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    run.settled = {}
    run.began = time.time()
    api.start_run(DAG_ID, run.run_id, run.load.conf(run.run_id))
    while True:
        if time.time() > run.began + patience_s:
            raise TimeoutError(f"The run {run.run_id} has not ended: {dict(api.states(DAG_ID, run.run_id))}.")
        time.sleep(1)
        for look in meanwhile:
            look()
        # Without its database Airflow has nothing to say.
        with suppress(RequestException):
            run.state = api.run_state(DAG_ID, run.run_id)
            if run.state in _ENDED and not _settle(api, around, run):
                break
    run.ended = time.time()


def _settle(api: AirflowAPI, around: Surroundings, run: Run) -> bool:
    """Decide about comments that may or may not have arrived, and clear their tasks; whether there were any."""
    failed = [one for one in api.tasks(DAG_ID, run.run_id, state="failed") if one["task_id"] == "comments"]
    comments = {comment["body"] for comment in around.sandbox.comments} if failed else set()
    cleared = False
    for one in failed:
        part = one["map_index"]
        match = _UNKNOWN.search(api.log(DAG_ID, run.run_id, "comments", part, one["try_number"]))
        if match is None:
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        numbers = part_of(run.load.comments, run.load.comments_files, part)[first : last + 1]
        there = sum(body_of(run.run_id, number) in comments for number in numbers)
        run.unknown += len(numbers)
        run.settled[part] = "skip" if there else "resend"
        api.set_variable(f"{run.run_id}-{part}", run.settled[part])
        api.clear(DAG_ID, run.run_id, "comments", part)
        cleared = True
    return cleared
