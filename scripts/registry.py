"""Write .airflow-registry.yaml, which the registry of Airflow providers reads, from the provider info and docstrings.

.venv/bin/python scripts/registry.py
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path

from airflow_provider_maestroqa.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / ".airflow-registry.yaml"
HEAD = """\
# What the registry of Airflow providers shows. Written by scripts/registry.py; a test holds it to the provider info.
package-name: {package}
display-name: {name}
description: {description}
"""


def text() -> str:
    """The file as it should be."""
    info = get_provider_info()
    lines = [
        HEAD.format(package=info["package-name"], name=info["name"], description=json.dumps(info["description"]))
    ]
    for kind in ("hooks", "operators", "sensors", "triggers"):
        lines.append(f"{kind}:\n{_entries(module for group in info[kind] for module in group['python-modules'])}")
    lines.append(f"transfers:\n{_entries(entry['python-module'] for entry in info['transfers'])}")
    return "".join(lines)


def _entries(modules: object) -> str:
    return "".join(
        f"  - module: {module}.{name}\n    description: {json.dumps(_first_line(value))}\n"
        for module in modules
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isclass(value) and value.__module__ == module and "MaestroQA" in name
    )


def _first_line(value: type) -> str:
    return re.sub(r" *\(API: .*\)$", "", inspect.cleandoc(value.__doc__ or "").partition("\n")[0])


if __name__ == "__main__":
    PAGE.write_text(text())
