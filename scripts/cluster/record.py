"""What has arrived, by the record of the sandbox and by the bucket: the package is not asked."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.load import Run, body_of
from cluster.surroundings import BUCKET, Surroundings


@dataclass(frozen=True)
class Arrived:
    """The records of one kind.

    :param wanted: how many were to arrive.
    :param arrived: how many different ones did.
    :param doubled: how many came more often than once, and are there more often.
    :param unknown: how many a task named as perhaps not arrived, before the user looked.
    """

    name: str
    wanted: int
    arrived: int
    doubled: int
    unknown: int = 0

    @property
    def lost(self) -> int:
        return self.wanted - self.arrived


@dataclass(frozen=True)
class Window:
    """What the API counted in a window of its limits."""

    begin: float
    end: float
    accepted: int
    refused: int


def arrived(around: Surroundings, run: Run) -> list[Arrived]:
    """Count what of a run has arrived."""
    load, kinds = run.load, []
    kinds.append(_exports(around, run))
    if load.metrics:
        keys = [key for key in around.sandbox.ticket_metrics if key[0] == run.run_id]
        # A metric that comes twice replaces itself: none can be there twice.
        kinds.append(Arrived("metrics", load.metrics, len(keys), 0))
    if load.comments:
        mine = {body_of(run.run_id, number) for number in range(load.comments)}
        counts = Counter(one["body"] for one in around.sandbox.comments if one["body"] in mine)
        doubled = sum(count - 1 for count in counts.values())
        kinds.append(Arrived("comments", load.comments, len(counts), doubled, run.unknown))
    return kinds


def windows(around: Surroundings, run: Run) -> list[Window]:
    """Cut the run into windows of its longest limit, and count the requests of each."""
    seconds = around.limits["normal"][-1][1]
    begin, counted = run.began, []
    while begin < run.ended:
        inside = [one for one in _requests(around, run) if begin <= one[0] < begin + seconds]
        refused = sum(status == 429 for _, status in inside)
        counted.append(Window(begin - run.began, begin - run.began + seconds, len(inside) - refused, refused))
        begin += seconds
    return counted


def pace(around: Surroundings, run: Run) -> float:
    """The share of the limits that was used from the first request of the run to its last one.

    Only whole windows of the longest limit count; a window can hold no more than the limit.
    """
    count, seconds = around.limits["normal"][-1]
    accepted = [at for at, status in _requests(around, run) if status != 429]
    whole = int((accepted[-1] - accepted[0]) // seconds) if accepted else 0
    inside = sum(at < accepted[0] + whole * seconds for at in accepted)
    return inside / (whole * count) if whole else 0.0


def requests_for(around: Surroundings, run: Run) -> Counter[str]:
    """The requests of a run by what they were for."""
    return Counter(
        one.path.split("/")[3].split("-batch")[0]
        for one in around.sandbox.requests
        if one.host == "api" and run.began <= one.at <= run.ended
    )


def _requests(around: Surroundings, run: Run) -> list[tuple[float, int | None]]:
    """The moment and the status of each request to the API while a run lasted."""
    mine = [one for one in around.sandbox.requests if one.host == "api" and run.began <= one.at <= run.ended]
    return [(one.at, one.status) for one in mine]


def _exports(around: Surroundings, run: Run) -> Arrived:
    """Count the exports that are landed whole: each file of the manifest has the bytes of the sandbox's file."""
    days = {one.export_id: str(one.parameters["startDate"]) for one in around.sandbox.exports.values()}
    landed = [days[manifest["export_id"]] for manifest in _manifests(around, run) if _is_whole(around, manifest)]
    return Arrived("exports", run.load.exports, len(set(landed)), len(landed) - len(set(landed)))


def _manifests(around: Surroundings, run: Run) -> Iterator[dict]:
    pages = around.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{run.run_id}/")
    for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
        if key.endswith("/_manifest.json"):
            yield json.loads(around.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _is_whole(around: Surroundings, manifest: dict) -> bool:
    truth = around.sandbox.exports[manifest["export_id"]].files
    stored = {}
    for file in manifest["files"]:
        key = file["uri"].removeprefix(f"s3://{BUCKET}/")
        content = gzip.decompress(around.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        stored[file["name"].removesuffix(".gz")] = (len(content), f"{zlib.crc32(content):08x}")
    return stored == {name: (file.bytes, file.crc32) for name, file in truth.items()}
