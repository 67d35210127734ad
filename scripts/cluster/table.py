"""The table of what has arrived, and whether the promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from faults import Faults
from load import Run
from memory import Memory
from record import Arrived, arrived, pace, requests_for, windows
from results import Results
from services import Cluster
from surroundings import Surroundings

#: The least share of the limits that a backfill uses.
PACE = 0.95
_TITLES = {"calm": "nothing is lost", "faults": "parts are lost", "backfill": "a backfill"}


@dataclass
class Table:
    """Rows of runs.

    :param command: by which they were made.
    :param broken: promises that were not kept, as sentences.
    """

    command: str
    broken: list[str] = field(default_factory=list)
    results: Results = field(init=False)

    def __post_init__(self) -> None:
        self.results = Results("cluster", command=self.command)

    def add(self, around: Surroundings, run: Run, faults: Faults, cluster: Cluster, memory: Memory) -> str:
        """Count what a run has done, judge it, and return its part of the table."""
        kinds, counted, used = arrived(around, run), windows(around, run), pace(around, run)
        title, seconds = _TITLES[run.run_id], run.ended - run.began
        lines = [f"{'':>16}{'wanted':>9}{'arrived':>9}{'lost':>9}{'doubled':>9}{'unknown':>9}"]
        for one in kinds:
            figures = {name: getattr(one, name) for name in ("wanted", "arrived", "lost", "doubled", "unknown")}
            lines.append(f"{one.name:>16}" + "".join(f"{figure:>9,}" for figure in figures.values()))
            self.results.add(title, one.name, **figures)
        lines.append(f"{'':>16}{'accepted':>9}{'429s':>9}")
        for one in counted:
            name = f"{one.begin:.0f} to {one.end:.0f} s"
            lines.append(f"{name:>16}{one.accepted:>9,}{one.refused:>9,}")
            self.results.add(title, name, accepted=one.accepted, refused=one.refused)
        accepted, refused = sum(one.accepted for one in counted), sum(one.refused for one in counted)
        self.results.add(title, "in all", accepted=accepted, refused=refused, seconds=seconds)
        lines.append(f"{'in all':>16}{accepted:>9,}{refused:>9,}   in {seconds:.0f} s, as {run.state}")
        lines.append(f"  requests: {dict(requests_for(around, run))}; {used:.3f} of the limits used")
        for name in memory.samples:
            early, late = memory.change(name)
            lines.append(f"  {name}: {early:.0f} MB, at the end {late:.0f} MB")
            if run.run_id == "backfill":
                self.results.add(title, f"{name}, memory", early_mb=early, late_mb=late)
        processors = {name: round(part.cpu_s()) for name, part in cluster.parts.items()}
        lines.append(f"  seconds of a processor: {processors}")
        lines.append(f"  the user decided: {run.settled or 'nothing'}")
        lines.append(f"  ended by themselves and started again: {dict(cluster.restarts) or 'none'}")
        broken = _broken(run, kinds, accepted, refused, faults)
        if run.run_id == "backfill":
            self.results.add(title, "share of the limits", used=used)
            broken += memory.grown()
            if used < PACE:
                broken.append(f"only {used:.3f} of the limits were used")
        self.broken += broken
        return "\n".join([*lines, *(f"  BROKEN: {one}" for one in broken)])

    def write(self, path: Path | None) -> None:
        """Write the figures, where they are wanted."""
        self.results.write(path)


def _broken(run: Run, kinds: list[Arrived], accepted: int, refused: int, faults: Faults) -> list[str]:
    """Say which promises were not kept."""
    broken = [f"{one.lost} {one.name} were lost" for one in kinds if one.lost]
    broken += [f"{one.doubled} {one.name} are there twice" for one in kinds if one.doubled]
    if run.state != "success":
        broken.append(f"the run ended as {run.state}")
    if faults.missing:
        broken.append(f"not everything went wrong that should: {', '.join(faults.missing)}")
    # A process that is paused between its slot and its request may meet one now and then.
    if refused > max(3, accepted / 100):
        broken.append(f"{refused} requests were refused, {accepted} accepted")
    return broken
