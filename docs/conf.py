"""How the documentation is built: ``make docs``. It needs no network and imports no Airflow."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)

project = "airflow-provider-maestroqa"
author = "The authors of airflow-provider-maestroqa"
release = version = VERSION.findall((ROOT / "airflow_provider_maestroqa" / "__init__.py").read_text())[0]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"MaestroQA for Apache Airflow {release}"
