"""The report of a check: a table to paste into a bug report, and a profile that the sandbox can play."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import metadata

from airflow_provider_maestroqa.check.finding import Verdict
from airflow_provider_maestroqa.check.runner import Report
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.settings import user_agent

_FORMAT = 1


def table(report: Report, *, versions: str, now: float) -> str:
    """The findings as Markdown.

    :param report: the findings.
    :param versions: of the package and of what it runs on.
    :param now: Unix time in seconds.
    """
    return "\n".join(_lines(report, versions, now))


def _lines(report: Report, versions: str, now: float) -> Iterator[str]:
    yield f"{versions}, host: {report.host}, {_day(now)}, {pluralize(report.requests, 'requests')}"
    yield ""
    yield "| What this package assumes | | What was seen |"
    yield "|---|---|---|"
    for probe, finding in report.findings:
        verdict = finding.verdict.value
        shown = f"**{verdict}**" if finding.verdict is Verdict.OTHERWISE else verdict
        yield f"| {_cell(probe.reading)} | {shown} | {_cell(finding.seen)} |"
    yield ""
    yield ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict) + "."
    if report.is_interrupted:
        yield "The check was interrupted."
    different = [pair for pair in report.findings if pair[1].verdict is Verdict.OTHERWISE]
    if different:
        yield ""
        yield "What is otherwise means:"
        yield ""
        for probe, _ in different:
            yield f"- Not so: {probe.reading} {probe.means}"


def profile(report: Report, *, versions: str, now: float) -> str:
    """The findings as JSON, with the options of a sandbox that behaves like the account.

    :param report: the findings.
    :param versions: of the package and of what it runs on.
    :param now: Unix time in seconds.
    """
    content = {
        "format": _FORMAT,
        "versions": versions,
        "host": report.host,
        "checked_on": _day(now),
        "requests": report.requests,
        "interrupted": report.is_interrupted,
        "findings": [
            {"probe": probe.name, "reading": probe.reading, "result": finding.verdict.value, "seen": finding.seen}
            for probe, finding in report.findings
        ],
        "sandbox": report.options,
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def installed_versions() -> str:
    """The versions of this package, of Airflow and of Python."""
    package, airflow = user_agent().replace("/", " "), metadata.version("apache-airflow")
    return f"{package}, Airflow {airflow}, Python {platform.python_version()}"


def _day(now: float) -> str:
    return f"{datetime.fromtimestamp(now, timezone.utc):%Y-%m-%d}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
