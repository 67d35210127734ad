"""Turns an error of this package into the failure of a task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAError


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Fail a task at once, without Airflow's retries, on an error that no retry can cure.

    :raises AirflowFailException: raised from the real error, when that one is not worth a retry.
    """
    try:
        yield
    except MaestroQAError as error:
        if error.retryable:
            raise
        raise _compat.AirflowFailException(f"{type(error).__name__}: {error}") from error
