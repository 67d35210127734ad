"""What the landing may cost whoever imports it."""

import subprocess
import sys
from pathlib import Path

from airflow_provider_maestroqa import landing

FOLDER = Path(landing.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(FOLDER.parents[1]).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    # Nothing imports the second one before pyarrow is needed.
    if path.stem not in {"__init__", "arrow_reader"}
)


def test_importing_the_landing_brings_nothing_heavy():
    heavy = [
        "requests",
        "urllib3",
        "boto3",
        "botocore",
        "fsspec",
        "isal",
        "aiohttp",
        "pyarrow",
        "pydantic",
        "airflow",
    ]
    code = f"import sys, {', '.join(MODULES)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert done.stdout.strip() == "[]"
