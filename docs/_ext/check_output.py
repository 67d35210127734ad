"""The example on the page about the check: its real output, for a sandbox that differs from the documents."""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_NOW = 1_795_651_200.0  # 2026-11-26
_VERSIONS = "airflow-provider-maestroqa 0.1.0, Airflow 3.3.2, Python 3.12.9"
_VARIANTS: dict[str, Any] = {"first_index": 1, "export_end_day": "excluded"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("maestroqa-check-output", CheckOutput)
    return {"parallel_read_safe": True}


def example_output() -> str:
    """Check a sandbox that differs in two ways; return the table."""
    from airflow_provider_maestroqa.check.account import CheckedAccount
    from airflow_provider_maestroqa.check.hook import CheckHook
    from airflow_provider_maestroqa.check.report import table
    from airflow_provider_maestroqa.check.runner import run_check
    from airflow_provider_maestroqa.client.clock import Clock
    from airflow_provider_maestroqa.sandbox import Sandbox

    limits = {"normal": [[100_000, 1]], "hard": [[100_000, 1]]}
    with Sandbox(polls=0, rows=20, limits={}, clock=lambda: _NOW, **_VARIANTS) as sandbox:
        connection = sandbox.connection_json(rate_limits=limits)
        with mock.patch.dict(os.environ, AIRFLOW_CONN_MAESTROQA_DEFAULT=connection), CheckHook() as hook:
            hook.clock = Clock(monotonic=lambda: _NOW, wall=lambda: _NOW, sleep=lambda _: None)
            report = run_check(CheckedAccount(hook))
    return table(report, versions=_VERSIONS, now=_NOW)


class CheckOutput(SphinxDirective):
    """``maestroqa-check-output``: the output of a check."""

    def run(self) -> list[nodes.Node]:
        """Return the output as a block of text."""
        output = example_output()
        return [nodes.literal_block(output, output, language="text")]
