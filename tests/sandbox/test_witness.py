import ast
import subprocess
import sys
from pathlib import Path

import airflow_provider_maestroqa.sandbox as package

FOLDER = Path(package.__file__).parent
ROOT = FOLDER.parents[1]


def test_the_sandbox_imports_nothing_of_the_rest_and_little_besides():
    foreign = set()
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top == "airflow_provider_maestroqa":
                    assert name.split(".")[1] == "sandbox", f"{file.name} imports {name}"
                elif top not in sys.stdlib_module_names:
                    foreign.add(top)
    assert foreign == {"aiohttp"}


def test_the_sandbox_runs_without_airflow():
    code = "import sys, airflow_provider_maestroqa.sandbox as s; print('airflow' in sys.modules, len(s.__all__) > 3)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
