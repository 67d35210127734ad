from __future__ import annotations

import pickle

import pytest

from airflow_provider_maestroqa.client import errors


def test_the_old_name_of_retryable_still_works_and_warns():
    for kind in (errors.MaestroQAError, errors.MaestroQADataError, errors.MaestroQAConnectionError):
        with pytest.warns(DeprecationWarning, match="retryable"):
            error = kind("x", worth_retry=not kind.default_retryable)
        assert error.retryable is not kind.default_retryable
        with pytest.warns(DeprecationWarning, match="retryable"):
            assert error.worth_retry is error.retryable
        with pytest.warns(DeprecationWarning, match="retryable"):
            error.worth_retry = kind.default_retryable
        assert error.retryable is kind.default_retryable


@pytest.mark.parametrize(
    "error",
    [
        errors.MaestroQAConnectionError("gone", sent=False, retryable=False),
        errors.MaestroQANotFoundError(404, "GET", "/x", "missing", explained=True),
        errors.MaestroQARateLimitError(429, "GET", "/x", "too many", retry_after=3.0),
        errors.MaestroQABudgetExhaustedError(None, "GET", "/x", "the next free slot is in 3 s", retry_after=3.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_travels_to_another_process_as_it_is(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_an_exhausted_budget_is_a_rate_limit_without_a_status():
    error = errors.MaestroQABudgetExhaustedError(None, "GET", "/x", "the next free slot is in 3 s", retry_after=3.0)
    assert isinstance(error, errors.MaestroQARateLimitError)
    assert (error.status, error.retry_after, error.retryable) == (None, 3.0, True)
    assert str(error) == "GET /x was not sent: the next free slot is in 3 s"
