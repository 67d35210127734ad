"""A probe: one reading of the API documents, and how an account is asked about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding


@dataclass(frozen=True)
class Probe:
    """One reading of the API documents.

    :param name: of the probe, for profiles.
    :param reading: what this package assumes, as a sentence.
    :param means: what a user has to know where it is otherwise.
    :param run: asks the account; it may raise what the client raises.
    :param needs: the option of the command without which it does not run: ``write`` or ``burst``.
    """

    name: str
    reading: str
    means: str
    run: Callable[[CheckedAccount], Finding]
    needs: str = ""
