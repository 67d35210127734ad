"""Cleaning takes the same memory for a large file as for a small one."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_provider_maestroqa.sandbox.data.export_rows import Table

ROOT = Path(__file__).resolve().parents[3]
#: About 4 and 40 MB.
ROWS = (12_000, 120_000)


@pytest.fixture(scope="module")
def archives():
    """The same kind of file, small and large."""
    made = {}
    for rows in ROWS:
        target = io.BytesIO()
        with (
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("individual_answers.csv", "w") as member,
        ):
            for block in Table("individual_answers", rows).blocks():
                member.write(block)
        made[rows] = target.getvalue()
    return made


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells the peak")
@pytest.mark.parametrize("file_format", ["csv.gz", "parquet"])
def test_memory_does_not_grow_with_the_file(origin, archives, tmp_path, file_format):
    peaks = {}
    for rows in ROWS:
        origin.body = archives[rows]
        command = [sys.executable, str(ROOT / "tests/landing/clean/clean_process.py")]
        command += [origin.link, str(tmp_path / f"{file_format}-{rows}"), file_format]
        # pyarrow's own allocators keep more or less, as they like.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        peaks[rows] = int(done.stdout) / 1000
    small, large = peaks.values()
    # The large file has 36 MB more, which any copy of it would show.
    assert large < small + 25, peaks
    assert large < 80, peaks
