"""How fast do tasks push records, how near to the token's ceiling, and what is lost or doubled on the way?

::

    python benchmarks/push.py            # limits scaled to 10/s and 40 per 5 s, less than three minutes
    python benchmarks/push.py --real     # 10/s and 100/min, two minutes each and up to one more, about 25 minutes
    python benchmarks/push.py --only costs

The sandbox is a process of its own, each task is one too, and a plain loop with requests and tenacity does the same
in the same run. The ceiling is what the limits allow: on the real API 100 requests of 500 records a minute. "With
faults" means that at every 20th request the answer is a 503 or the connection is reset, before or after the batch is
stored, and that one record in 5,000 names a ticket that there is not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import traceback
from pathlib import Path

import push_costs
from budget import REAL, SCALED, in_process, pace
from push_senders import BATCH, SENDERS, Source
from push_server import PushServer
from results import OURS, Results, add_option

#: What is pushed, by how many tasks, and whether something goes wrong.
SCENARIOS = [
    ("ticket_metrics", 1, False),
    ("ticket_metrics", 8, False),
    ("ticket_metrics", 1, True),
    ("ticket_metrics", 8, True),
    ("comments", 8, True),
]
FAULT_EVERY, BAD_IN = 20, 5000
#: Seconds for which the scaled window is counted longer than it is. By itself the package adds a share of a window's
#: length, which is half a second to a minute, but too little to five seconds for a machine with other work.
MARGINS = {5.0: 0.25}
#: Records a second that were stored, and their share of the ceiling; requests within the limits a second, and theirs;
#: refusals for the rate; all requests; good records that are not there though their task went on and named no doubt
#: about them; records that are there more than once; records that the task said it cannot be sure of, and how many of
#: these are not there; records that it said were refused, the good ones among them too.
COLUMNS = ("records/s", "share", "requests/s", "share", "429s", "requests", "lost", "doubled")
COLUMNS += ("unsure", "absent", "refused")
NAMES = ("records_s", "rate", "requests_s", "requests_rate", "refusals", "requests", "lost", "doubled")
NAMES += ("unsure", "absent", "refused")


def run(server, sender, scenario, limits, warm, measured):
    """Run one scenario with one sender; return the row of figures."""
    resource, tasks, faulty = scenario
    server.begin(limits=limits, fault_every=FAULT_EVERY if faulty else 0)
    folder = tempfile.mkdtemp()
    begin = time.monotonic() + 0.2
    wall = time.time() + 0.2
    until = begin + warm + measured
    sources = [Source(resource, task, tasks, until, BAD_IN if faulty else 0) for task in range(tasks)]

    def work(source):
        try:
            report = sender(server.url, limits, f"sqlite:///{folder}/budget.sqlite3", MARGINS).push(resource, source)
        except Exception:
            traceback.print_exc()
            raise
        return {**report, "task": sources.index(source), "made": source.count}

    results = Path(folder, "results")
    children = [in_process(lambda source=source: work(source), results, begin) for source in sources]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    reports = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    shutil.rmtree(folder)
    assert not failed, f"{failed} tasks have failed"
    return row(server.report(), reports, sources, limits, (wall + warm, wall + warm + measured), measured)


def row(report, reports, sources, limits, between, measured):
    number, seconds = max(limits, key=lambda limit: limit[1] / limit[0])
    within = [one for one in report["requests"] if one[1] != 429]
    requests_s = pace([at for at, *_ in within if between[0] <= at < between[1]], number, measured)
    lost = doubled = absent = 0
    for task in reports:
        source, named = sources[task["task"]], set(task["named"])
        good = {source.name(one) for one in range(task["made"]) if not source.is_bad(one)}
        lost += sum(1 for name in good - named if name not in report["stored"])
        doubled += sum(1 for name in good if report["stored"].get(name, 0) > 1)
        absent += sum(1 for name in named if name not in report["stored"])
    # Requests come in bursts, so their rate is taken over whole windows; records are taken as so many to a request.
    arrived = sum(1 for times in report["stored"].values() if times)
    records_s = requests_s * arrived / len(within)
    return (
        records_s,
        records_s * seconds / (number * BATCH),
        requests_s,
        requests_s * seconds / number,
        len(report["requests"]) - len(within),
        len(report["requests"]),
        lost,
        doubled,
        sum(len(task["named"]) for task in reports),
        absent,
        sum(task["rejected"] for task in reports),
    )


def rates(server, options, results):
    limits, warm, measured = (REAL, 0.0, 120.0) if options.real else (SCALED, 2.0, 9.0)
    measured = options.seconds or measured
    (number, seconds) = max(limits, key=lambda limit: limit[1] / limit[0])
    print(
        f"limits {limits}: at most {number / seconds * BATCH:.0f} records a second; "
        f"{warm:g} s to warm up, {measured:g} s measured"
    )
    for scenario in SCENARIOS:
        resource, tasks, faulty = scenario
        print(
            f"\n{resource}, {tasks} task{'s' * (tasks > 1)}, {'with' if faulty else 'without'} faults"
            f" (load {os.getloadavg()[0]:.1f})"
        )
        print(" " * 14 + "".join(f"{column:>11}" for column in COLUMNS))
        for name, sender in SENDERS:
            figures = run(server, sender, scenario, limits, warm, measured)
            shown = "".join(f"{value:11.3g}" if isinstance(value, float) else f"{value:11}" for value in figures)
            case = f"{resource.replace('_', ' ')}, {tasks} task{'s' * (tasks > 1)}{', faults' if faulty else ''}"
            values = dict(zip(NAMES, figures, strict=True))
            results.add(case, OURS if name == SENDERS[0][0] else "plain loop", **values)
            print(f"{name:14}{shown}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--real", action="store_true", help="the API's own limits")
    arguments.add_argument("--only", choices=("rates", "costs"), help="one half of it")
    arguments.add_argument("--seconds", type=float, help="how long to measure each run")
    add_option(arguments)
    options, results = arguments.parse_args(), Results("push")
    began = time.monotonic()
    server = PushServer()
    try:
        if options.only != "rates":
            push_costs.refusals(server, results)
            push_costs.local(results)
        if options.only != "costs":
            rates(server, options, results)
        results.write(options.json)
    finally:
        server.close()
    print(f"\n{time.monotonic() - began:.0f} s in all, load {os.getloadavg()[0]:.1f} now")


if __name__ == "__main__":
    main()
