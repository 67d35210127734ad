"""The table of what has arrived, and whether the promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from results import Results

from cluster.faults import Faults
from cluster.load import Run
from cluster.memory import Memory
from cluster.record import Arrived, arrived, pace, requests_for, windows
from cluster.services import Cluster
from cluster.surroundings import Surroundings

#: The least share of the limits that a backfill uses.
PACE = 0.95
#: What the runs are called in the documentation.
_TITLES = {"calm": "nothing is killed", "faults": "parts are killed", "backfill": "a backfill"}
_COLUMNS = ("wanted", "arrived", "lost", "doubled", "unknown")


@dataclass
class Table:
    """Rows of runs.

    :param name: of the results: ``cluster`` or ``cluster_backfill``.
    :param command: by which they were made.
    :param broken: promises that were not kept, as sentences.
    """

    name: str
    command: str
    broken: list[str] = field(default_factory=list)
    results: Results = field(init=False)

    def __post_init__(self) -> None:
        self.results = Results(self.name, command=self.command)

    def add(self, around: Surroundings, run: Run, faults: Faults, cluster: Cluster, memory: Memory) -> str:
        """Count what a run has done, judge it, and return its part of the table."""
        kinds, refusals = arrived(around, run), _Refusals()
        lines = [*self._kinds(run, kinds), *self._windows(around, run, refusals)]
        lines.append(f"  requests: {dict(requests_for(around, run))}")
        processors = {name: round(part.cpu_s()) for name, part in cluster.parts.items()}
        lines.append(f"  seconds of a processor: {processors}")
        lines.append(f"  the user decided: {run.settled or 'nothing'}")
        lines.append(f"  ended by themselves and started again: {dict(cluster.restarts) or 'none'}")
        broken = _broken(run, kinds, refusals, faults)
        if run.run_id == "backfill":
            lines += self._steadiness(around, run, memory, refusals, broken)
        self.broken += broken
        return "\n".join([*lines, *(f"  BROKEN: {one}" for one in broken)])

    def write(self, path: Path | None) -> None:
        """Write the figures, where they are wanted."""
        self.results.write(path)

    def _kinds(self, run: Run, kinds: list[Arrived]) -> list[str]:
        lines = [f"{'':>16}" + "".join(f"{name:>9}" for name in _COLUMNS)]
        for one in kinds:
            figures = {name: getattr(one, name) for name in _COLUMNS}
            lines.append(f"{one.name:>16}" + "".join(f"{figure:>9,}" for figure in figures.values()))
            self.results.add(_TITLES[run.run_id], one.name, **figures)
        return lines

    def _windows(self, around: Surroundings, run: Run, refusals: _Refusals) -> list[str]:
        lines, title = [f"{'':>16}{'accepted':>9}{'429s':>9}"], _TITLES[run.run_id]
        for one in windows(around, run):
            name = f"{one.begin:.0f} to {one.end:.0f} s"
            lines.append(f"{name:>16}{one.accepted:>9,}{one.refused:>9,}")
            if run.run_id != "backfill":  # which has too many of them
                self.results.add(title, name, accepted=one.accepted, refused=one.refused)
            refusals.accepted += one.accepted
            refusals.refused += one.refused
        seconds = run.ended - run.began
        self.results.add(title, "all", accepted=refusals.accepted, refused=refusals.refused, seconds=seconds)
        lines.append(f"{'all':>16}{refusals.accepted:>9,}{refusals.refused:>9,}   {seconds:.0f} s, {run.state}")
        return lines

    def _steadiness(
        self, around: Surroundings, run: Run, memory: Memory, refusals: _Refusals, broken: list[str]
    ) -> list[str]:
        """The share of the limits, and the memory of what lives long."""
        used, title = pace(around, run), _TITLES[run.run_id]
        self.results.add(title, "share of the limits", used=used)
        each = refusals.accepted / run.load.exports
        self.results.add(title, "requests for each export", each=each)
        lines = [f"  {used:.3f} of the limits used, {each:.1f} requests for each export"]
        if used < PACE:
            broken.append(f"only {used:.3f} of the limits were used")
        for name in memory.samples:
            early, late = memory.change(name)
            self.results.add(title, f"memory of {name}", early_mb=early, late_mb=late)
            lines.append(f"  {name}: {early:.0f} MB, at the end {late:.0f} MB")
        broken += memory.grown()
        return lines


@dataclass
class _Refusals:
    accepted: int = 0
    refused: int = 0

    @property
    def too_many(self) -> bool:
        """A process that is paused between its slot and its request may meet one now and then."""
        return self.refused > max(3, self.accepted / 100)


def _broken(run: Run, kinds: list[Arrived], refusals: _Refusals, faults: Faults) -> list[str]:
    """Say which promises were not kept."""
    broken = [f"{one.lost} {one.name} were lost" for one in kinds if one.lost]
    broken += [f"{one.doubled} {one.name} are there twice" for one in kinds if one.doubled]
    if run.state != "success":
        broken.append(f"the run ended as {run.state}")
    if faults.missing:
        broken.append(f"not everything went wrong that should: {', '.join(faults.missing)}")
    if refusals.too_many:
        broken.append(f"{refusals.refused} requests were refused, {refusals.accepted} accepted")
    return broken
