"""What the landing may depend on."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_maestroqa import exports

FOLDER = Path(exports.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_importing_the_landing_brings_nothing_heavy():
    names = ", ".join(f"airflow_provider_maestroqa.exports.{name}" for name in MODULES)
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
    code = f"import sys, {names}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_the_landing_knows_nothing_of_the_rest_but_errors_presigned_urls_and_units(name):
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    ours = [line.split()[1] for line in lines if line.strip().startswith(("from airflow", "import airflow"))]
    client = "airflow_provider_maestroqa.client."
    allowed = ("airflow_provider_maestroqa.exports", f"{client}errors", f"{client}presigned", f"{client}units")
    assert all(module.startswith(allowed) for module in ours)


def test_both_engines_can_be_had():
    from airflow_provider_maestroqa.exports.engines import best_engine, zlib_engine

    assert best_engine().name in {"isal", "zlib"}
    assert zlib_engine().name == "zlib"


def test_without_isal_python_s_own_engine_is_used(monkeypatch):
    from airflow_provider_maestroqa.exports.engines import best_engine

    monkeypatch.setitem(sys.modules, "isal", None)
    assert best_engine().name == "zlib"
