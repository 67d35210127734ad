"""Configure Sphinx for ``make docs``. It needs no network, but an environment with Airflow."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)

# The reference is read from the docstrings of these very sources.
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]
# Airflow writes its settings into its home when it is imported; that must not be the user's own.
os.environ.setdefault("AIRFLOW_HOME", str(Path(tempfile.gettempdir()) / "maestroqa-docs-airflow"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

project = "airflow-provider-maestroqa"
author = "The authors of airflow-provider-maestroqa"
release = version = VERSION.findall((ROOT / "airflow_provider_maestroqa" / "__init__.py").read_text())[0]

extensions = ["myst_parser", "sphinx.ext.autodoc", "reference", "tables", "sandbox_tables", "check_output"]
exclude_patterns = ["_build", "_ext", "snippets"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
# What Airflow calls, and what operators share among themselves, is nothing for the reference.
autodoc_default_options = {
    "exclude-members": (
        "execute, execute_complete, on_kill, push, poke, run, serialize, template_fields, template_ext, "
        "template_fields_renderers, ui_color, resource, records_argument, update_first, agent_group, "
        "pending_export_id, emails, render_template, defer_to_trigger, data_transfer"
    )
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# A longer signature has one line per argument.
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
add_module_names = False

# Broken references to this package are errors; Airflow and Python have no pages here.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!airflow_provider_maestroqa\.).*"), (r"py:.*", r".*\._T")]

html_theme = "furo"
html_title = f"MaestroQA for Apache Airflow {release}"
html_short_title = "MaestroQA for Airflow"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d5fa8", "color-brand-content": "#1d5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4f0", "color-brand-content": "#7db4f0"},
}
