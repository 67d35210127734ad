"""What landing an export costs, against the usual way and against ``HttpToS3Operator``.

    python benchmarks/landing.py                     # 50, 200 and 1,000 MB unpacked, best of 3
    python benchmarks/landing.py --sizes 50 --quick  # one run each

Needs Airflow with its amazon and http providers. A ZIP of realistic CSV files is downloaded from a local server and
uploaded to a local sink that talks S3 and discards; both run in processes of their own. Each measurement is a process
of its own: wall and CPU seconds of the job alone, and the peak of its memory over what it had after its imports and a
first small request. The usual way: download to a temporary file, extract, ``S3Hook.load_file``. Checks (names, sizes,
CRC of every member, sha256 of every object) are part of ours, and of no peer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from memory import memory, reset_peak
from results import OURS as US
from results import Results, add_option

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

USUAL, HTTP_TO_S3 = "usual way", "HttpToS3Operator"
OURS = ("csv.gz", "csv", "zip", "csv.gz + rows")
BUCKET = "sink"


def usual_way(url: str) -> None:
    """Temporary file, extract, load each file."""
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "export.zip"
        with requests.get(url, stream=True, timeout=60) as response, archive.open("wb") as file:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            opened.extractall(folder)
        for name in names:
            hook.load_file(str(Path(folder) / name), f"usual/{name}", BUCKET, replace=True)


def http_to_s3(url: str) -> None:
    """The HTTP and amazon providers' own operator."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    endpoint = url.rpartition("/")[2]
    HttpToS3Operator(
        task_id="peer", method="GET", endpoint=endpoint, s3_bucket=BUCKET, s3_key="peer.zip", replace=True
    ).execute({})


def ours(file_format: str, *, count_rows: bool) -> Callable[[str], None]:
    """This package."""

    def run(url: str) -> None:
        import requests
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
        from airflow_provider_maestroqa.storage.s3_store import S3Store

        with requests.Session() as session:
            manifest = land_export(
                export_id="benchmark",
                fresh_url=lambda: url,
                store=S3Store(S3Hook().get_conn(), BUCKET, f"ours/{os.getpid()}"),
                options=LandingOptions(file_format=file_format, count_rows=count_rows),
                session=session,
                log=lambda _: None,
            )
        assert manifest["has_data"]

    return run


CASES: dict[str, Callable[[str], None]] = {
    USUAL: usual_way,
    HTTP_TO_S3: http_to_s3,
    "csv.gz": ours("csv.gz", count_rows=False),
    "csv": ours("csv", count_rows=False),
    "zip": ours("zip", count_rows=False),
    "csv.gz + rows": ours("csv.gz", count_rows=True),
}


def measure(case: str, url: str) -> None:
    """Run one case in this process and print what it cost."""
    warm_up()
    base = reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    CASES[case](url)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": memory("VmHWM") - base}))


def warm_up() -> None:
    """Import what any case imports, and make boto3 load what it loads once."""
    for module in (
        "requests",
        "airflow.providers.amazon.aws.transfers.http_to_s3",
        "airflow_provider_maestroqa.landing.exports",
        "airflow_provider_maestroqa.storage.s3_store",
        "airflow_provider_maestroqa.storage.fsspec_store",
    ):
        importlib.import_module(module)
    importlib.import_module("airflow_provider_maestroqa.storage.compression").best_engine()
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    S3Hook().load_string("warm", "warm", BUCKET, replace=True)


@contextmanager
def server(kind: str, folder: str) -> Iterator[str]:
    """A server in a process of its own."""
    command = [sys.executable, str(HERE / "landing_servers.py"), kind, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def run_case(case: str, url: str, sink: str, home: str) -> dict[str, float]:
    """Measure one case in a fresh process."""
    source = url.rpartition("/")[0]
    aws = {"conn_type": "aws", "login": "key", "password": "secret"}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({**aws, "extra": {"endpoint_url": sink, "region_name": "us-east-1"}}),
        "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": source}),
        "PYTHONPATH": str(HERE.parent),
    }
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--url", url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def make_archive(folder: Path, megabytes: int) -> Path:
    """Write the export of this size, unless it is there from an earlier run."""
    from airflow_provider_maestroqa.sandbox.data.export_files import rows_for_bytes, write_export_file

    path = folder / f"export-{megabytes}.zip"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        write_export_file(unfinished, rows=rows_for_bytes(megabytes * 1_000_000))
        unfinished.rename(path)
    return path


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The run that others disturbed least, with the highest of all peaks."""
    return {**min(runs, key=lambda run: run["wall"]), "peak": max(run["peak"] for run in runs)}


def print_table(size: int, packed: int, results: dict[str, dict[str, float]]) -> None:
    """One size, all cases."""
    usual, peer = results[USUAL], results[HTTP_TO_S3]
    print(f"\n{size:,} MB unpacked, {packed / 1e6:,.0f} MB as ZIP")
    print(f"{'':18}{'wall s':>8}{'x usual':>9}{'x HttpToS3':>12}{'CPU s':>8}{'peak MB':>9}{'x HttpToS3':>12}")
    for case, cost in results.items():
        print(
            f"{case:18}{cost['wall']:8.2f}{cost['wall'] / usual['wall']:9.2f}{cost['wall'] / peer['wall']:12.2f}"
            f"{cost['cpu']:8.2f}{cost['peak'] / 1024:9.0f}{cost['peak'] / peer['peak']:12.2f}"
        )


def judge(all_results: dict[int, dict[str, dict[str, float]]]) -> None:
    """Compare with the aims, at the largest size."""
    small, large = min(all_results), max(all_results)
    at = all_results[large]
    usual, peer = at[USUAL], at[HTTP_TO_S3]
    peak = max(at[case]["peak"] for case in OURS) / 1024
    growth = max(at[case]["peak"] - all_results[small][case]["peak"] for case in OURS) / 1024
    aims = [
        ("csv.gz: wall at most 0.30 of the usual way", at["csv.gz"]["wall"] / usual["wall"], 0.30),
        ("csv: wall at most 0.6 of the usual way", at["csv"]["wall"] / usual["wall"], 0.6),
        ("zip: no slower than HttpToS3Operator", at["zip"]["wall"] / peer["wall"], 1.0),
        ("zip: at most a quarter of its memory", at["zip"]["peak"] / peer["peak"], 0.25),
        ("peak memory over imports at most 100 MB", peak, 100),
        (f"and at most 15 MB more at {large:,} MB than at {small:,} MB", growth, 15),
    ]
    print(f"\nAims, at {large:,} MB unpacked")
    for aim, value, limit in aims:
        print(f"  {'met   ' if value <= limit else 'MISSED'}  {aim}: {value:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="50,200,1000", help="MB unpacked, separated by commas")
    parser.add_argument("--quick", action="store_true", help="one run each instead of the best of three")
    parser.add_argument("--files", help="keep the generated archives in this folder for the next time")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    add_option(parser)
    options, results = parser.parse_args(), Results("landing")
    if options.case:
        measure(options.case, options.url)
        return
    with ExitStack() as stack:
        folder = options.files or stack.enter_context(tempfile.TemporaryDirectory())
        home = stack.enter_context(tempfile.TemporaryDirectory())
        source = stack.enter_context(server("source", folder))
        sink = stack.enter_context(server("sink", folder))
        all_results: dict[int, dict[str, Any]] = {}
        for size in sorted(int(text) for text in options.sizes.split(",")):
            archive = make_archive(Path(folder), size)
            runs: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
            for _ in range(1 if options.quick else 3):
                for case, measured in runs.items():
                    measured.append(run_case(case, f"{source}/{archive.name}", sink, home))
            all_results[size] = {case: best(measured) for case, measured in runs.items()}
            print_table(size, archive.stat().st_size, all_results[size])
            for case, cost in all_results[size].items():
                figures = {"wall_s": cost["wall"], "cpu_s": cost["cpu"], "peak_mb": cost["peak"] / 1024}
                results.add(f"{size:,} MB, {case}", case if case in (USUAL, HTTP_TO_S3) else US, **figures)
        judge(all_results)
        results.write(options.json)


if __name__ == "__main__":
    main()
