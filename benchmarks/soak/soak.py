"""One soak, from its sandbox to its table."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

from results import Results

from airflow_provider_maestroqa.sandbox import Sandbox
from soak.crew import Crew, Member
from soak.director import Director
from soak.limits import Limits, usage_of
from soak.measures import cpu_s
from soak.steadiness import left_behind, secrets_in, steadiness_of
from soak.table import Proof, shown, write
from soak.witness import Reader, Witness

#: From so many seconds on, the windows are as long as MaestroQA's.
_LONG_S = 600.0
#: Twice what MaestroQA allows in a minute, or, for a short soak, as much for each second in shorter windows.
LIMITS: Limits = {"normal": [[10, 1], [200, 60]], "hard": [[1, 1], [30, 60]]}
SHORT_LIMITS: Limits = {"normal": [[8, 1], [40, 12]], "hard": [[1, 1], [10, 12]]}
#: Seconds after which a request is given up; what is held is released after one to nine.
TIMEOUT_S = 6
#: Seconds that the last tasks may take.
PATIENCE_S = 300.0
#: How long a presigned URL lasts.
URL_TTL_S = 15.0


def soak(seconds: float, seed: int, json_path: Path | None) -> int:
    """Run a soak.

    :param seconds: how long new tasks begin.
    :param seed: decides what is done and what goes wrong.
    :param json_path: where to write the figures as well.
    :return: 0, or 1 where a promise is broken.
    """
    if not Path("/proc/self/statm").exists():
        print("Skipped: only Linux tells what a process holds.")
        return 0
    print(f"seed {seed}, {seconds / 60:g} minutes", flush=True)
    logging.getLogger("airflow_provider_maestroqa").setLevel(logging.ERROR)
    results = Results("soak")
    folder = Path(tempfile.mkdtemp(prefix="maestroqa-soak-"))
    for name in ("home", "logs", "state", "landed", "rejects", "files", "tmp"):
        (folder / name).mkdir()
    limits = LIMITS if seconds >= _LONG_S else SHORT_LIMITS
    sandbox = Sandbox(
        limits=limits,
        rows=60,
        seconds=4.0,
        todos=140,
        coaching_points=70,
        coaching_sessions=40,
        unknown_tickets="accept",
        url_ttl=URL_TTL_S,
        seed=seed,
        token="soak-token-that-no-log-may-hold",
    )
    with sandbox:
        os.environ.update(_environment(sandbox, folder, limits))
        proofs, counts = _run(sandbox, folder, seconds, seed, limits)
    print(shown(proofs))
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    broken = any(proof.broken for proof in proofs)
    write(proofs, counts, results)
    results.write(json_path)
    if broken:
        print(f"seed {seed}: promises are broken. Logs, state and files are in {folder}.")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _environment(sandbox: Sandbox, folder: Path, limits: Limits) -> dict[str, str]:
    connection = sandbox.connection_json(
        rate_limits=limits, rate_limit_store=f"sqlite:///{folder}/budget.sqlite3", timeout=TIMEOUT_S
    )
    return {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/home/airflow.db",
        "AIRFLOW_CONN_MAESTROQA_DEFAULT": connection,
        "NO_PROXY": "*",
    }


def _run(
    sandbox: Sandbox, folder: Path, seconds: float, seed: int, limits: Limits
) -> tuple[list[Proof], dict[str, int]]:
    reader, crew = Reader(folder / "landed"), Crew(folder)
    number, window = limits["normal"][1]
    begun, own_cpu_s = time.monotonic(), cpu_s()
    try:
        director = Director(
            sandbox, crew, seed, workers=6, busy=10, fault_every_s=6 * window / number, look=reader.look
        )
        director.run(seconds, PATIENCE_S)
        took = time.monotonic() - begun
        steady = [one for one in map(steadiness_of, filter(_is_steady, crew.members)) if one is not None]
        left = left_behind(folder, crew.members)
    finally:
        crew.close()
    witness, usage = Witness(sandbox, folder, director.runs), usage_of(sandbox.requests, limits)
    broken = witness.broken_promises()
    proofs = [
        Proof("nothing lost or doubled without being told", broken, dict(witness.counts)),
        Proof(
            "no limit exceeded, no 429 of its own making",
            usage.broken_promises(),
            {
                "requests": usage.taken.total(),
                "of what the limits allow": usage.taken["normal"] * window / (number * took),
                "429s by faults": usage.by_faults,
                "429s of its own": usage.own,
                "429s as the machine was late": usage.late,
            },
        ),
        Proof("nothing partial visible", reader.broken, {"looks": reader.looks}),
        Proof(
            "memory and open files flat",
            [*(problem for one in steady for problem in one.broken_promises()), *left],
            {
                "processes": len(steady),
                "MB grown": max((one.late_mb - one.early_mb for one in steady), default=0.0),
                "more files": max((one.late_files - one.early_files for one in steady), default=0),
            },
        ),
        Proof("no secret in a log or a file", secrets_in(folder, sandbox.secrets), {"secrets": len(sandbox.secrets)}),
    ]
    cpu = crew.cpu_s + cpu_s() - own_cpu_s
    counts = {"jobs": len(director.runs), **director.counts, "CPU seconds": round(cpu), "seconds": round(took)}
    return proofs, counts


def _is_steady(member: Member) -> bool:
    return member.steady
