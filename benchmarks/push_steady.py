"""What share of the token's ceiling has a push when MaestroQA is slow, rejects records, or loses responses?

::

    python benchmarks/push_steady.py --only slow      # each two minutes, at the API's own limits
    python benchmarks/push_steady.py --only faults

Each push is a process of its own, with a token of its own on a sandbox in a process of its own; those of one run go
side by side. All are measured from a cold start. The ceiling is what the limits allow: 200 requests of 500 records in
two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from budget import REAL, in_process
from push import BAD_IN, FAULT_EVERY
from push_costs import find_none
from push_senders import BATCH, OneAtATime, PackageSender, PlainSender, Source
from push_server import PushServer
from results import OURS, Results, add_option

from airflow_provider_maestroqa.pushes import bisect

SECONDS = 120.0
CEILING = max(number / seconds for number, seconds in REAL[-1:]) * SECONDS * BATCH


@dataclass(frozen=True)
class Case:
    """One push.

    :param name: of the row.
    :param by: who pushes.
    :param sender: pushes.
    :param delay_s: by how many seconds each response is late.
    :param bad_in: one record in so many is rejected; 0 for none.
    :param faulty: whether every 20th response is a 503 or lost.
    :param names: whether the response names the bad record.
    :param own_value: whether each bad record has a bad value of its own.
    """

    name: str
    by: str
    sender: type
    delay_s: float = 0.0
    bad_in: int = 0
    faulty: bool = False
    names: bool = True
    own_value: bool = False


SEQUENTIAL, PLAIN = "one request at a time", "plain loop"
SLOW = [
    Case(f"{delay_s:g} s a response", by, sender, delay_s=delay_s)
    for delay_s in (0.6, 1.0, 2.0, 5.0)
    for by, sender in ((OURS, PackageSender), (SEQUENTIAL, OneAtATime))
]
FAULTS = [
    Case("1 in 5,000 rejected, one bad value", OURS, PackageSender, bad_in=BAD_IN),
    Case("1 in 5,000 rejected, one bad value", PLAIN, PlainSender, bad_in=BAD_IN),
    Case("1 in 5,000 rejected, each another value", OURS, PackageSender, bad_in=BAD_IN, own_value=True),
    Case("1 in 5,000 rejected, no record named", OURS, PackageSender, bad_in=BAD_IN, names=False),
    Case("lost responses", OURS, PackageSender, faulty=True),
    Case("lost responses", PLAIN, PlainSender, faulty=True),
    Case("lost and rejected, one bad value", OURS, PackageSender, bad_in=BAD_IN, faulty=True),
    Case("lost and rejected, one bad value", PLAIN, PlainSender, bad_in=BAD_IN, faulty=True),
    Case("lost and rejected, each another value", OURS, PackageSender, bad_in=BAD_IN, faulty=True, own_value=True),
]
CASES = {"slow": SLOW, "faults": FAULTS}


class OwnValues(Source):
    """Each bad record names another ticket that there is not."""

    def __iter__(self):
        for number, record in enumerate(super().__iter__()):
            yield {**record, "ticket_id": f"nobody's {number}"} if self.is_bad(number) else record


def push(case, url, source):
    """Push as long as there is time; the report."""
    if not case.names:
        bisect.find_suspects = find_none
    began = time.process_time()
    try:
        report = case.sender(url, REAL, "memory").push("ticket_metrics", source)
    except Exception:
        traceback.print_exc()
        raise
    return {**report, "made": source.count, "cpu_s": time.process_time() - began, "case": case.name, "by": case.by}


def side_by_side(cases):
    """Run pushes side by side; yields each with its figures."""
    servers = [PushServer(case.delay_s) for case in cases]
    folder = tempfile.mkdtemp()
    try:
        for case, server in zip(cases, servers, strict=True):
            server.begin(limits=REAL, fault_every=FAULT_EVERY if case.faulty else 0)
        begin, wall = time.monotonic() + 0.5, time.time() + 0.5
        sources = [
            (OwnValues if case.own_value else Source)("ticket_metrics", 0, 1, begin + SECONDS, case.bad_in)
            for case in cases
        ]
        results = Path(folder, "results")
        children = [
            in_process(lambda each=each: push(*each), results, begin)
            for each in zip(cases, [server.url for server in servers], sources, strict=True)
        ]
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        assert not failed, f"{failed} pushes have failed"
        reports = [json.loads(line) for line in results.read_text().splitlines()]
        for case, server, source in zip(cases, servers, sources, strict=True):
            told = next(one for one in reports if (one["case"], one["by"]) == (case.name, case.by))
            yield case, figures(server.report(), told, source, wall + SECONDS)
    finally:
        shutil.rmtree(folder)
        for server in servers:
            server.close()


def figures(report, told, source, until):
    """What came of one push: its rate counts what was taken in time, all else the whole of it."""
    taken = sum(records for at, _, records in report["requests"] if at < until)
    sent = [at for at, status, _ in report["requests"] if status != 429]
    good = {source.name(number) for number in range(told["made"]) if not source.is_bad(number)}
    spent = (len(sent) - told["made"] / BATCH) / told["rejected"] if told["rejected"] else None
    return {
        "rate": taken / CEILING,
        "requests": len(report["requests"]),
        "429s": len(report["requests"]) - len(sent),
        "for_each_rejected": spent,
        "rejected": told["rejected"],
        "lost": sum(1 for name in good if name not in report["stored"]),
        "doubled": sum(1 for name in good if report["stored"].get(name, 0) > 1),
        "cpu_s": told["cpu_s"],
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", choices=tuple(CASES), required=True, help="which of the two")
    add_option(arguments)
    options = arguments.parse_args()
    results = Results(f"push_{options.only}")
    print(f"load {os.getloadavg()[0]:.1f}")
    for case, found in side_by_side(CASES[options.only]):
        shown = {figure: value for figure, value in found.items() if value is not None}
        if case.faulty or case.sender is PlainSender:
            # Repeats of lost responses are among them, or nothing is searched.
            shown.pop("for_each_rejected", None)
        results.add(case.name, case.by, **shown)
        words = "  ".join(f"{figure} {value:.3g}" for figure, value in shown.items())
        print(f"  {case.name:42}{case.by:24}{words}", flush=True)
    results.write(options.json)


if __name__ == "__main__":
    main()
