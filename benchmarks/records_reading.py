"""What reading coaching data costs: a million to-dos from a list, and an export of 300 MB, against a plain script.

    python benchmarks/records_reading.py                                   # takes some minutes
    python benchmarks/records_reading.py --todos 50000 --megabytes 30      # a quick look

The sandbox serves in a process of its own, without request limits, on the same machine. Each measurement is a process
of its own as well: wall seconds, CPU seconds of the job alone, and the peak of its memory over what it had after its
imports. The plain script uses ``requests`` and ``json.loads``, as most would write it: it collects all records in a
list and writes them as gzipped JSON Lines. Ours lands the same records in a folder, with all checks, repeats left
out, checksums and a manifest; and once more it only reads them.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory import memory, reset_peak
from results import OURS as US
from results import Results, add_option

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

PAGE = 1000
#: 90 days: the most that one request of the export may ask for.
WINDOW = ("2026-01-01", "2026-04-01")
#: Bytes of an exported session in the sandbox, nearly.
SESSION = 3850
PLAIN, OURS, READ = "plain script", "landed by ours", "read by ours"


def plain_list(url: str, folder: Path) -> int:
    """Page after page into a list, then into a file."""
    import requests

    records: list[Any] = []
    with requests.Session() as session:
        while True:
            page = session.get(
                f"{url}/api/v1/todos",
                params={"count": PAGE, "startIndex": len(records)},
                headers={"apitoken": "sandbox-token"},
                timeout=60,
            )
            page.raise_for_status()
            answer = json.loads(page.text)
            records += answer["Resources"]
            if len(records) >= answer["totalResults"]:
                break
    return plain_write(records, folder)


def plain_export(url: str, folder: Path) -> int:
    """The whole answer into memory, then into a file."""
    import requests

    answer = requests.post(
        f"{url}/api/v1/coaching-sessions",
        json={"startDate": WINDOW[0], "endDate": WINDOW[1], "timeAxis": "createdAt"},
        headers={"apitoken": "sandbox-token"},
        timeout=600,
    )
    answer.raise_for_status()
    return plain_write(json.loads(answer.text), folder)


def plain_write(records: list[Any], folder: Path) -> int:
    with gzip.open(folder / "plain.jsonl.gz", "wt", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return len(records)


@contextmanager
def client(url: str) -> Iterator[Any]:
    """Our client, with a budget that never waits."""
    from airflow_provider_maestroqa.client.budget import open_budget
    from airflow_provider_maestroqa.client.settings import read_settings
    from airflow_provider_maestroqa.client.transport.sync_client import SyncClient

    wide = {"rate_limits": {"normal": [[1_000_000, 1]], "hard": [[1_000_000, 1]]}, "timeout": 600}
    settings = read_settings("benchmark", host=url, password="sandbox-token", extra=wide)
    budget = open_budget(store="memory", base_url=settings.base_url, token=settings.token, limits=settings.limits)
    api_client = SyncClient(settings, budget)
    yield api_client
    api_client.close()
    budget.close()


def our_list(api_client: Any) -> Iterator[Any]:
    """All to-dos, as the hook gives them."""
    from airflow_provider_maestroqa.client.resources.pagination import Paginator, RecordIterator

    return RecordIterator(api_client.send, Paginator("list_todos", page_size=PAGE), warn=print)


def our_export(api_client: Any) -> Iterator[Any]:
    """All sessions of the window, as the hook gives them."""
    from airflow_provider_maestroqa.client.resources.coaching_export import SessionExport, session_requests

    windows = session_requests(*WINDOW, "createdAt")
    return SessionExport(windows, api_client.stream, log=lambda _: None, warn=print)


def land(records: Callable[[Any], Iterator[Any]]) -> Callable[[str, Path], int]:
    def run(url: str, folder: Path) -> int:
        from fsspec.implementations.local import LocalFileSystem

        from airflow_provider_maestroqa.landing.records import land_records
        from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

        store = FilesystemStore(LocalFileSystem(), str(folder / "ours"), "file")
        with client(url) as api_client:
            manifest = land_records(records(api_client), resource="todos", store=store, log=lambda _: None)
        return int(manifest["files"][0]["rows"])

    return run


def only_read(records: Callable[[Any], Iterator[Any]]) -> Callable[[str, Path], int]:
    def run(url: str, folder: Path) -> int:  # noqa: ARG001
        with client(url) as api_client:
            return sum(1 for _ in records(api_client))

    return run


JOBS: dict[str, dict[str, Callable[[str, Path], int]]] = {
    "list": {PLAIN: plain_list, OURS: land(our_list), READ: only_read(our_list)},
    "export": {PLAIN: plain_export, OURS: land(our_export), READ: only_read(our_export)},
}


def measure(job: str, case: str, url: str) -> None:
    """Run one case in this process and print what it cost."""
    # What the package needs is imported before the peak is measured, as every task has it already.
    rooms = ("client.transport.sync_client", "client.resources.coaching_export", "client.budget")
    for module in (*rooms, "landing.records", "storage.fsspec_store"):
        importlib.import_module(f"airflow_provider_maestroqa.{module}")
    with tempfile.TemporaryDirectory() as folder:
        base = reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        records = JOBS[job][case](url, Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": (memory("VmHWM") - base) / 1024, "records": records}))


@contextmanager
def sandbox(todos: int, sessions: int) -> Iterator[str]:
    """A sandbox in a process of its own."""
    counts = f"todos={todos}, coaching_points={2 * sessions}, coaching_sessions={sessions}"
    code = (
        "import sys; from airflow_provider_maestroqa.sandbox import Sandbox\n"
        f"with Sandbox(limits={{}}, {counts}) as sandbox:\n"
        "    print(sandbox.url, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def run_case(job: str, case: str, url: str) -> dict[str, float]:
    """Measure one case in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--job", job, "--case", case, "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{job}, {case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def print_table(title: str, results: dict[str, dict[str, float]]) -> None:
    plain = results[PLAIN]
    print(f"\n{title}")
    print(
        f"{'':18}{'wall s':>8}{'records/s':>11}{'x plain':>9}{'CPU s':>8}{'x plain':>9}{'peak MB':>9}{'x plain':>9}"
    )
    for case, cost in results.items():
        ratio = {name: value / plain[name] for name, value in cost.items()}
        print(
            f"{case:18}{cost['wall']:8.1f}{cost['records'] / cost['wall']:11,.0f}{ratio['wall']:9.2f}"
            f"{cost['cpu']:8.1f}{ratio['cpu']:9.2f}{cost['peak']:9.0f}{ratio['peak']:9.3f}"
        )


def judge(results: dict[str, dict[str, dict[str, float]]]) -> None:
    """Compare with the aims."""
    peak = max(results[job][case]["peak"] for job in results for case in (OURS, READ))
    aims = [
        ("peak memory over imports at most 60 MB", peak, 60),
        *[
            (f"{job}: landed in at most the time of the plain script", at[OURS]["wall"] / at[PLAIN]["wall"], 1.0)
            for job, at in results.items()
        ],
    ]
    print("\nAims")
    for aim, value, limit in aims:
        print(f"  {'met   ' if value <= limit else 'MISSED'}  {aim}: {value:.2f}")


def compare(todos: int, megabytes: int, ledger: Results) -> None:
    """Measure both jobs, each in all its cases, and print ratios against the plain script."""
    sessions = int(megabytes * 1_000_000 / SESSION * 365 / 90)
    results: dict[str, dict[str, dict[str, float]]] = {}
    with sandbox(todos, sessions) as url:
        for job, cases in JOBS.items():
            results[job] = {case: run_case(job, case, url) for case in cases}
            of = {measured["records"] for measured in results[job].values()}
            assert len(of) == 1, f"{job}: {results[job]}"
    print_table(f"{todos:,} to-dos, {PAGE} a page", results["list"])
    count = int(results["export"][OURS]["records"])
    print_table(f"An export of {count:,} sessions, about {megabytes} MB", results["export"])
    judge(results)
    for job, cases in results.items():
        for case, cost in cases.items():
            figures = {"wall_s": cost["wall"], "cpu_s": cost["cpu"], "peak_mb": cost["peak"]}
            ledger.add(f"{job}, {case}", PLAIN if case == PLAIN else US, records=int(cost["records"]), **figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--todos", type=int, default=1_000_000, help="to-dos in the list")
    parser.add_argument("--megabytes", type=int, default=300, help="size of the export's answer, nearly")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    add_option(parser)
    options, ledger = parser.parse_args(), Results("records_reading")
    if options.case:
        measure(options.job, options.case, options.url)
        return
    compare(options.todos, options.megabytes, ledger)
    ledger.write(options.json)


if __name__ == "__main__":
    main()
