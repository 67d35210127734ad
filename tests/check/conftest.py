from __future__ import annotations

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Verdict
from airflow_provider_maestroqa.check.hook import CheckHook
from airflow_provider_maestroqa.check.runner import run_check
from airflow_provider_maestroqa.sandbox import Sandbox

#: Exports are ready at once, and small.
FAST = {"polls": 0, "rows": 5, "limits": {}}


@pytest.fixture
def check(connect):
    """Checks the account of a sandbox with these options: the report, and the sandbox as it was left."""

    def run(*, granted=(), before=lambda sandbox: None, **options):
        time = FakeTime()
        with Sandbox(clock=lambda: time.wall, **{**FAST, **options}) as sandbox:
            limits = {"rate_limits": sandbox._options.limits} if sandbox._options.limits else {}
            connect(host=sandbox.url, password=sandbox.token, **limits)
            before(sandbox)
            with CheckHook() as hook:
                hook.clock = time.clock()
                return run_check(CheckedAccount(hook), granted=granted), sandbox

    return run


@pytest.fixture
def otherwise():
    """The names of the probes that have found something else."""

    def names(report):
        return [probe.name for probe, finding in report.findings if finding.verdict is Verdict.OTHERWISE]

    return names
