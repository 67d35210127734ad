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


def test_the_tree_in_the_docstring_has_every_error_below_its_parent():
    tree = [line for line in errors.__doc__.splitlines() if "MaestroQA" in line and line.startswith("    ")]
    ancestors, drawn = [], []
    for line in tree:
        depth = (len(line) - len(line.lstrip(" │├└─"))) // 4
        ancestors[depth - 1 :] = [line.strip(" │├└─").split()[0]]
        drawn.append(tuple(ancestors[-2:]))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert sorted(drawn[1:]) == sorted(
        (kind.__base__.__name__, kind.__name__) for kind in kinds if kind is not errors.MaestroQAError
    )
