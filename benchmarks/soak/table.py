"""What a soak has shown: a table for people, and a result for the page on benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results import OURS, Results


@dataclass(frozen=True)
class Proof:
    """One promise, and what was found about it.

    :param promise: what is promised.
    :param broken: how it was broken.
    :param figures: what was counted, by names that hold their unit.
    """

    promise: str
    broken: list[str]
    figures: dict[str, float]


def shown(proofs: list[Proof]) -> str:
    """The table."""
    width = max(len(proof.promise) for proof in proofs)
    lines = []
    for proof in proofs:
        figures = ", ".join(f"{_short(value)} {name}" for name, value in proof.figures.items())
        lines.append(f"{proof.promise:{width}}  {'BROKEN' if proof.broken else 'held':6}  {figures}")
        lines += [f"{'':{width}}    {problem}" for problem in proof.broken[:20]]
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def write(proofs: list[Proof], counts: Mapping[str, int], results: Results) -> None:
    """Add a row for each promise and each figure."""
    for proof in proofs:
        results.add(f"{proof.promise}: broken", OURS, number=len(proof.broken))
        for name, value in proof.figures.items():
            results.add(name, OURS, number=value)
    for name, count in counts.items():
        results.add(name, OURS, number=count)
