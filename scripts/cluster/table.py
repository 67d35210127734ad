"""The table of what has arrived, and whether the promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from faults import Faults
from load import Run
from record import Arrived, Window, arrived, pace, requests_for, windows
from results import Results
from services import Cluster
from surroundings import Surroundings


@dataclass
class Table:
    """Rows of runs.

    :param broken: promises that were not kept, as sentences.
    :param start_s: seconds that the cluster took to start.
    """

    start_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    results: Results = field(default_factory=lambda: Results("cluster"))
    _texts: dict[str, str] = field(default_factory=dict)

    def add(self, around: Surroundings, run: Run, faults: Faults, cluster: Cluster) -> None:
        """Count what a run has done, and judge it."""
        kinds, counted = arrived(around, run), windows(around, run)
        broken = _broken(run, kinds, counted, faults)
        self.broken += broken
        lines = [
            f"{'':>14}{'wanted':>9}{'arrived':>9}{'lost':>7}{'doubled':>9}{'unknown':>9}",
            *(
                f"{one.name:>14}{one.wanted:>9,}{one.arrived:>9,}{one.lost:>7,}{one.doubled:>9,}{one.unknown:>9,}"
                for one in kinds
            ),
            f"{'window':>14}{'accepted':>9}{'refused':>9}",
            *(f"{one.begin:>5.0f} to {one.end:.0f} s{one.accepted:>9,}{one.refused:>9,}" for one in counted),
            f"  {run.ended - run.began:.0f} s, state {run.state}, pace {pace(around, run):.2f}",
            f"  requests {dict(requests_for(around, run))}",
            f"  seconds of a processor { ({name: round(part.cpu_s()) for name, part in cluster.parts.items()}) }",
            f"  the user decided: {run.settled or 'nothing'}; started again by themselves: {dict(cluster.restarts)}",
            *(f"  BROKEN: {one}" for one in broken),
        ]
        self._texts[run.run_id] = "\n".join(lines)
        for one in kinds:
            self.results.add(
                run.run_id, one.name, wanted=one.wanted, arrived=one.arrived, lost=one.lost, doubled=one.doubled,
                unknown=one.unknown,
            )  # fmt: skip
        for one in counted:
            self.results.add(
                run.run_id, f"{one.begin:.0f} to {one.end:.0f} s", accepted=one.accepted, refused=one.refused
            )

    def of(self, run: Run) -> str:
        """The table of a run."""
        return self._texts[run.run_id]

    def write(self, path: Path | None) -> None:
        """Write the figures, where they are wanted."""
        self.results.write(path)


def _broken(run: Run, kinds: list[Arrived], counted: list[Window], faults: Faults) -> list[str]:
    """Say which promises were not kept."""
    broken = [f"{one.lost} {one.name} of {run.run_id} were lost" for one in kinds if one.lost]
    broken += [f"{one.doubled} {one.name} of {run.run_id} are there twice" for one in kinds if one.doubled]
    if run.state != "success":
        broken.append(f"the run {run.run_id} ended as {run.state}")
    if faults.missing:
        broken.append(f"not everything went wrong that should: {', '.join(faults.missing)}")
    refused, accepted = sum(one.refused for one in counted), sum(one.accepted for one in counted)
    if refused > accepted / 100:
        broken.append(f"{refused} requests of {run.run_id} were refused, {accepted} accepted")
    return broken
