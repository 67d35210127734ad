"""What cleaned files cost, against pandas.

    python benchmarks/records_clean.py                     # 50 and 500 MB unpacked, best of 3
    python benchmarks/records_clean.py --sizes 50 --quick  # one run each

Needs pandas and pyarrow, and no Airflow. A ZIP of realistic CSV files is downloaded from a local server, and each
file becomes cleaned CSV, cleaned ``csv.gz`` or Parquet, written to a sink that discards. Each measurement is a
process of its own: wall and CPU seconds of the job alone, and the peak of its memory over what it had after its
imports and a first small file.

The peer is what people write by hand: download, ``read_csv(dtype=str)`` with ``Unknown`` and empty as nulls, then
``to_csv`` or ``to_parquet``. It takes no guards off, reads no dates, checks no sums and computes no sha256; ours
does. pandas compresses ``csv.gz`` at level 9, its default; ``csv`` compares the rest of the work.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from landing import HERE, best, make_archive, server
from memory import memory, reset_peak
from results import OURS, add_option
from results import Results as Found

FORMATS = ("csv", "csv.gz", "parquet")
SMALL = b'gradable_id,grader,date_graded\n0397,Unknown,="2021-03-04 10:00:00.123"\n'
HEADS = (
    ("wall s", 8),
    ("x pandas", 10),
    ("MB/s", 8),
    ("CPU s", 8),
    ("peak MB", 9),
    ("x pandas", 10),
    ("stored MB", 11),
)
Results = Mapping[int, Mapping[str, Mapping[str, float]]]


class Nothing(io.RawIOBase):
    """A file that drops what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.size += len(data)
        return len(data)


class Sink:
    """An upload that drops what it gets."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)

    def seal(self, crc32: int) -> None:
        pass

    def publish(self, *, expected: str | None = None) -> None:
        pass

    def discard(self) -> None:
        pass


def ours(file_format: str, url: str) -> dict[str, int]:
    """This package."""
    import requests
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
    from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

    sink = Sink()

    class Store(FilesystemStore):
        """Stores the manifest alone."""

        def begin(self, name: str, **_: object) -> Sink:  # noqa: ARG002
            return sink

    with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
        manifest = land_export(
            export_id="benchmark",
            fresh_url=lambda: url,
            store=Store(LocalFileSystem(), folder, "file"),
            options=LandingOptions(file_format=file_format, clean=True),
            session=session,
            log=lambda _: None,
        )
    return {
        "rows": sum(file["rows"] for file in manifest["files"]),
        "nulls": sum(sum(file["null_counts"].values()) for file in manifest["files"]),
        "stored": sink.size,
    }


def pandas_way(file_format: str, url: str) -> dict[str, int]:
    """Each file as one DataFrame."""
    import pandas
    import requests

    ledger = {"rows": 0, "nulls": 0, "stored": 0}
    with tempfile.TemporaryFile() as file:
        with requests.get(url, stream=True, timeout=60) as response:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    frame = pandas.read_csv(
                        member, dtype=str, keep_default_na=False, na_values=["", "Unknown"], encoding="utf-8-sig"
                    )
                ledger["rows"] += len(frame)
                ledger["nulls"] += int(frame.isna().sum().sum())
                target = Nothing()
                if file_format == "parquet":
                    frame.to_parquet(target, index=False)
                else:
                    packing = "gzip" if file_format == "csv.gz" else None
                    frame.to_csv(target, index=False, mode="wb", compression=packing)
                ledger["stored"] += target.size
    return ledger


CASES: dict[str, Callable[[str], dict[str, int]]] = {
    f"{who} {file_format}": lambda url, run=run, file_format=file_format: run(file_format, url)
    for file_format in FORMATS
    for who, run in (("pandas", pandas_way), ("ours", ours))
}


def measure(case: str, url: str) -> None:
    """Run one case in this process and print what it cost."""
    warm = url.rpartition("/")[0] + "/small.zip"
    CASES[case](warm)
    base = reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    ledger = CASES[case](url)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": memory("VmHWM") - base, **ledger}))


def run_case(case: str, url: str) -> dict[str, float]:
    """Measure one case in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--url", url]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(sizes: list[int], *, repeats: int = 3, files: str | None = None) -> Results:
    """Measure all cases.

    :param sizes: MB unpacked.
    :param repeats: runs of each case; the best counts, and the highest peak.
    :param files: a folder that keeps the generated archives for the next time.
    :return: by size and case: ``wall`` and ``cpu`` seconds, ``peak`` kB, ``rows``, ``nulls``, ``stored`` bytes.
    """
    results: dict[int, dict[str, dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = Path(files or stack.enter_context(tempfile.TemporaryDirectory()))
        with zipfile.ZipFile(folder / "small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("small.csv", SMALL)
        source = stack.enter_context(server("source", str(folder)))
        for size in sorted(sizes):
            archive_path = make_archive(folder, size)
            runs: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
            for _ in range(repeats):
                for case, measured in runs.items():
                    measured.append(run_case(case, f"{source}/{archive_path.name}"))
            results[size] = {case: best(measured) for case, measured in runs.items()}
            _check(results[size])
    return results


def _check(results: Mapping[str, Mapping[str, float]]) -> None:
    """All must have read the same records, and found the same nulls."""
    ledger = {case: (cost["rows"], cost["nulls"]) for case, cost in results.items()}
    if len(set(ledger.values())) != 1:
        raise SystemExit(f"The cases do not agree on the records and nulls: {ledger}")


def print_tables(results: Results) -> None:
    """A table for each size, each case beside its peer."""
    for size, costs in results.items():
        print(f"\n{size:,} MB unpacked, cleaned; {int(costs['ours csv']['rows']):,} records")
        print(f"{'':16}" + "".join(f"{head:>{width}}" for head, width in HEADS))
        for case, cost in costs.items():
            peer = costs[f"pandas {case.partition(' ')[2]}"]
            print(
                f"{case:16}{cost['wall']:8.2f}{cost['wall'] / peer['wall']:10.2f}{size / cost['wall']:8.1f}"
                f"{cost['cpu']:8.2f}{cost['peak'] / 1024:9.0f}{cost['peak'] / peer['peak']:10.2f}"
                f"{cost['stored'] / 1e6:11.1f}"
            )


def write_down(results: Results, ledger: Found) -> None:
    """Add the figures to those that are kept."""
    for size, costs in results.items():
        for case, cost in costs.items():
            by, _, file_format = case.partition(" ")
            figures = {"wall_s": cost["wall"], "cpu_s": cost["cpu"], "peak_mb": cost["peak"] / 1024}
            ledger.add(f"{size:,} MB, {file_format}", OURS if by == "ours" else by, **figures)


def judge(results: Results) -> None:
    """Compare with the aims, at the largest size."""
    small, large = min(results), max(results)
    at = results[large]
    aims = []
    for name, limit in (("csv", 1.0), ("csv.gz", 1.0), ("parquet", 1.5)):
        ratio = at[f"ours {name}"]["wall"] / at[f"pandas {name}"]["wall"]
        aims.append((f"{name}: wall at most {limit} of pandas", ratio, limit))
    for file_format, limit in (("csv.gz", 40), ("parquet", 110)):
        case = f"ours {file_format}"
        aims.append((f"{file_format}: peak memory over imports at most {limit} MB", at[case]["peak"] / 1024, limit))
        growth = (at[case]["peak"] - results[small][case]["peak"]) / 1024
        aims.append((f"{file_format}: at most 15 MB more at {large:,} MB than at {small:,} MB", growth, 15))
    print(f"\nAims, at {large:,} MB unpacked")
    for aim, value, limit in aims:
        print(f"  {'met   ' if value <= limit else 'MISSED'}  {aim}: {value:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="50,500", help="MB unpacked, separated by commas")
    parser.add_argument("--quick", action="store_true", help="one run each instead of the best of three")
    parser.add_argument("--files", help="keep the generated archives in this folder for the next time")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    add_option(parser)
    options, ledger = parser.parse_args(), Found("records_clean")
    if options.case:
        measure(options.case, options.url)
        return
    sizes = [int(text) for text in options.sizes.split(",")]
    results = compare(sizes, repeats=1 if options.quick else 3, files=options.files)
    print_tables(results)
    judge(results)
    write_down(results, ledger)
    ledger.write(options.json)


if __name__ == "__main__":
    main()
