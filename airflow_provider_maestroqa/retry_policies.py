"""Which errors are worth a retry, and when: for the argument ``retry_policy`` of Airflow 3.3 and newer.

On an older Airflow this module can be imported and the class in it cannot: an :exc:`ImportError` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa import _compat

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context, RetryDecision
    from airflow_provider_maestroqa.client.errors import MaestroQAError

if TYPE_CHECKING or _compat.has_retry_policies():

    @dataclass(frozen=True)
    class MaestroQARetryPolicy(_compat.RetryPolicy):
        """Retries a task when a retry can help, and as soon as MaestroQA accepts requests again.

        An error of this package that no retry can cure fails the task at once, whatever ``retries`` says. One that a
        retry may cure is retried as the task says; where the error says when, as a used-up request budget does, the
        task waits that long instead of its ``retry_delay``. The error may be the cause of another one. Every other
        error is left to Airflow.

        Give it to a task or put it into a DAG's ``default_args``. It needs Airflow 3.3 or newer.
        """

        def evaluate(
            self,
            exception: BaseException,
            try_number: int,  # noqa: ARG002
            max_tries: int,  # noqa: ARG002
            context: Context | None = None,  # noqa: ARG002
        ) -> RetryDecision:
            """Decide what Airflow does after a failure.

            :param exception: what ended the task.
            :param try_number: which try this was, from 1.
            :param max_tries: how many tries the task has.
            :param context: the task's context.
            :return: no retry, a retry (with its delay where the error says when), or Airflow's own rules.
            """
            decision = _compat.RetryDecision
            error = _ours(exception)
            if error is None:
                return decision.default()
            reason = f"{type(error).__name__}: {error}"
            if not error.retryable:
                return decision.fail(reason=reason)
            return decision.retry(delay=_delay(error), reason=reason)

        def serialize(self) -> dict[str, Any]:
            """Give what is stored of it with a DAG."""
            return {"__type": f"{type(self).__module__}.{type(self).__qualname__}"}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> MaestroQARetryPolicy:  # noqa: ARG003
            """Make it from what is stored.

            :param data: what :meth:`serialize` gave.
            """
            return cls()

else:

    def __getattr__(name: str) -> Any:
        if name != "MaestroQARetryPolicy":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        raise ImportError(
            "MaestroQARetryPolicy needs Airflow 3.3 or newer, which first has retry_policy. Leave it out here: the "
            "operators of this package fail at once without it when no retry could help. In tasks of your own, raise "
            "AirflowFailException from an error whose retryable is False."
        )


def _ours(exception: BaseException | None) -> MaestroQAError | None:
    """The first error of this package among an exception and its causes."""
    from airflow_provider_maestroqa.client.errors import MaestroQAError

    seen: set[int] = set()
    while exception is not None and id(exception) not in seen:
        if isinstance(exception, MaestroQAError):
            return exception
        if isinstance(exception, _compat.AirflowFailException):
            return None
        seen.add(id(exception))
        exception = exception.__cause__
    return None


def _delay(error: MaestroQAError) -> Any:
    """How long to wait, where the error says when requests are accepted again; ``None`` to wait as the task says."""
    from datetime import timedelta

    from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS
    from airflow_provider_maestroqa.client.errors import MaestroQARateLimitError
    from airflow_provider_maestroqa.client.transport.retry import rate_limit_pause

    if not isinstance(error, MaestroQARateLimitError):
        return None
    # Which limits the connection has is not known here; those of MaestroQA name the same windows.
    return timedelta(seconds=max(1.0, rate_limit_pause(error, DEFAULT_LIMITS["normal"], count=1)))
