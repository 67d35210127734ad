"""Runs the probes one after the other, and always ends with a report."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.catalogue import PROBES
from airflow_provider_maestroqa.check.finding import Finding, Verdict, not_seen, otherwise
from airflow_provider_maestroqa.check.hook import RequestsSpentError
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.client.errors import MaestroQAAPIError, MaestroQAConnectionError, MaestroQAError


@dataclass
class Report:
    """What a check has found.

    :param host: the account's host, as far as it is shown.
    :param findings: of all probes.
    :param requests: how many requests were sent.
    :param is_interrupted: whether it was ended early.
    :param left_behind: the id of the check's own ticket, where it could not be deleted.
    """

    host: str = ""
    findings: list[tuple[Probe, Finding]] = field(default_factory=list)
    requests: int = 0
    is_interrupted: bool = False
    left_behind: str = ""

    def count(self, verdict: Verdict) -> int:
        """How many readings compare like this."""
        return sum(finding.verdict is verdict for _, finding in self.findings)

    @property
    def options(self) -> dict[str, Any]:
        """The options of a sandbox that behaves like the account."""
        options: dict[str, Any] = {}
        for _, finding in self.findings:
            for name, value in finding.profile.items():
                options[name] = [*options[name], *value] if isinstance(options.get(name), list) else value
        return options


def run_check(
    account: CheckedAccount, *, granted: Collection[str] = (), log: Callable[[str], None] = lambda _: None
) -> Report:
    """Run all probes. Ctrl-C ends it early: what has been found by then is in the report.

    :param account: the account.
    :param granted: what it may do besides reading: ``write``, ``burst``.
    :param log: called with a line of text before each probe.
    """
    report = Report(account.host)
    reason = ""
    try:
        for number, probe in enumerate(PROBES, 1):
            if probe.needs and probe.needs not in granted:
                finding = not_seen(f"needs --{probe.needs}")
            elif reason:
                finding = not_seen(reason)
            else:
                log(f"{number:2} of {len(PROBES)}: {probe.reading.replace('`', '')}")
                finding = _run(probe, account)
            report.findings.append((probe, finding))
            if probe is PROBES[0] and finding.verdict is not Verdict.AS_READ:
                reason = "without access nothing more can be seen"
    except KeyboardInterrupt:
        report.is_interrupted = True
        seen = {probe.name for probe, _ in report.findings}
        report.findings += [(probe, not_seen("interrupted")) for probe in PROBES if probe.name not in seen]
    if not account.undo() and account.scratch is not None:
        report.left_behind = account.scratch.ticket_id
    report.requests = account.hook.request_stats.requests
    return report


def _run(probe: Probe, account: CheckedAccount) -> Finding:
    try:
        return probe.run(account)
    except RequestsSpentError as error:
        return not_seen(str(error))
    except MaestroQAConnectionError:
        finding = "no response: the host cannot be reached, or the connection breaks"
    except MaestroQAAPIError as error:
        finding = "no request was sent: the budget has no room" if error.status is None else f"{error.status}"
    except MaestroQAError as error:
        finding = type(error).__name__
    except Exception as error:  # noqa: BLE001 - no response may end the check, whatever is in it
        return otherwise(f"a response that cannot be read ({type(error).__name__})")
    return otherwise(finding) if probe is PROBES[0] else not_seen(finding)
