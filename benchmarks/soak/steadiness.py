"""The judge of what must not grow or leak: memory, open files, temporary files, secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from soak.crew import Member

#: The shortest soak whose memory says something about growth: before, a process still warms up.
_MEANS_SOMETHING_S = 600.0
#: By how many MB a process may grow from its second quarter to its last, and in a short soak.
_MAX_GROWTH_MB = 8.0
_MAX_WARM_UP_MB = 128.0
#: By how many open files; in a short soak some waits last as long as a quarter of it, each with a connection.
_MAX_MORE_FILES = 2
_MAX_WARM_UP_FILES = 16
#: What a presigned URL or a token could look like.
_HEX = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Steadiness:
    """What one process held.

    :param early_mb: median memory in the second quarter of the time.
    :param late_mb: likewise in the last quarter.
    :param early_files: fewest open files in the second quarter: those that no task of the moment needs.
    :param late_files: likewise in the last quarter.
    """

    name: str
    seconds: float
    early_mb: float
    late_mb: float
    early_files: int
    late_files: int

    def broken_promises(self) -> Iterable[str]:
        """What has grown."""
        is_long = self.seconds >= _MEANS_SOMETHING_S
        if self.late_mb - self.early_mb > (_MAX_GROWTH_MB if is_long else _MAX_WARM_UP_MB):
            yield f"{self.name} has grown from {self.early_mb:.0f} to {self.late_mb:.0f} MB"
        if self.late_files - self.early_files > (_MAX_MORE_FILES if is_long else _MAX_WARM_UP_FILES):
            yield f"{self.name} had {self.early_files} open files, and later {self.late_files}"


def steadiness_of(member: Member) -> Steadiness | None:
    """Judge the samples of a process that was never killed; ``None`` when there are too few."""
    samples = member.samples
    if len(samples) < 8:
        return None
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return Steadiness(
        member.name,
        samples[-1][0] - samples[0][0],
        median(kib for _, kib, _ in early) * 1024 / 1e6,
        median(kib for _, kib, _ in late) * 1024 / 1e6,
        min(files for *_, files in early),
        min(files for *_, files in late),
    )


def left_behind(folder: Path, members: Iterable[Member]) -> list[str]:
    """Temporary files of processes that were never killed."""
    places = [(member.name, folder / "tmp" / str(member.process.pid)) for member in members if member.steady]
    return [f"{name} left {file.name}" for name, place in places for file in sorted(place.rglob("*"))]


def secrets_in(folder: Path, secrets: Collection[str]) -> list[str]:
    """Files below a folder that show a token or the signature of a presigned URL."""
    signatures = {secret.encode() for secret in secrets if _HEX.fullmatch(secret.encode())}
    others = [secret.encode() for secret in secrets if secret.encode() not in signatures]
    shown = []
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = file.read_bytes()
        if any(other in content for other in others) or signatures & set(_HEX.findall(content)):
            shown.append(f"{file.relative_to(folder)} shows a secret")
    return shown
