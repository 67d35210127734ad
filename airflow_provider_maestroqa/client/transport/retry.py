"""What a request's outcome means and what to do next. Pure decisions: no I/O, no clock, no sleeping.

The drivers in :mod:`.sync_client` and :mod:`.async_client` carry requests; both ask here. A request goes
through these steps::

    build_request → budget → send ──→ read_response ──→ the response
                   ↑         └──→ connection_error       (no response came)
                   └── Retry: again? after how long?
"""

from __future__ import annotations

import email.utils
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tenacity

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAAuthError,
    MaestroQAConflictError,
    MaestroQAConnectionError,
    MaestroQAError,
    MaestroQANotFoundError,
    MaestroQAOutcomeUnknownError,
    MaestroQAPermissionError,
    MaestroQARateLimitError,
    MaestroQAServerError,
    MaestroQAValidationError,
)

#: Seconds that one call may take with all its waiting for the budget and its repeats, unless the caller says less.
DEFAULT_REQUEST_TIMEOUT_S = 900.0
#: How often one call is sent at most, refusals for the rate not counted.
MAX_TRIES = 5
_LONGEST_PAUSE_S = 30.0
_LONGEST_RETRY_AFTER_S = 300.0
_MESSAGE_LENGTH = 500


@dataclass(frozen=True)
class Response:
    """An HTTP answer, whichever library brought it.

    :param status: the HTTP status.
    :param headers: the headers, with lower-case names.
    :param body: the whole body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def is_success(status: int) -> bool:
    """Whether a status says that the call was carried out: every 2xx does."""
    return 200 <= status < 300


def read_response(call: Request, answer: Response, *, now: float, secrets: Sequence[str] = ()) -> Any:
    """Read the JSON of a success, or raise the error that the answer means. (API: Error Responses)

    :param call: what was asked.
    :param answer: what came back.
    :param now: Unix time in seconds, for a Retry-After that is a date.
    :param secrets: texts that a server may echo and that no message may hold.
    :return: the decoded JSON, ``None`` for an empty body of an operation that answers nothing.
    :raises MaestroQAAPIError: the answer is no success.
    """
    status = answer.status
    if is_success(status):
        return _read_json(call, answer)
    said = _said(answer.body, secrets)
    where = (status, call.method, call.path)
    if status == 429:
        wait = read_retry_after(answer.headers.get("retry-after"), now=now)
        raise MaestroQARateLimitError(*where, said or "too many requests", retry_after=wait)
    if 300 <= status < 400:
        raise MaestroQAAPIError(
            *where,
            "a redirect, which is not followed because the token must not travel to another host. "
            "Check the connection's host.",
        )
    if status >= 500:
        raise MaestroQAServerError(*where, said or "MaestroQA failed. Try again later.")
    kind, hint = _REFUSALS.get(status, (MaestroQAValidationError, "The values were refused; correct them."))
    raise kind(*where, f"{said}. {hint}" if said else hint, explained=bool(said))


_REFUSALS: Mapping[int, tuple[type[MaestroQAAPIError], str]] = {
    401: (
        MaestroQAAuthError,
        (
            "The API token is wrong, deactivated or expired: tokens end 90 days after they were made, unless that is "
            "turned off. Make a new one in the MaestroQA dashboard (Other Settings, API Tokens) and put it into the "
            "connection's password."
        ),
    ),
    403: (MaestroQAPermissionError, "The API token may not do this. Ask a MaestroQA administrator."),
    404: (
        MaestroQANotFoundError,
        "MaestroQA has no such thing. Check the id, and that the token is for this account.",
    ),
    409: (
        MaestroQAConflictError,
        "A value that must be unique is in use. Give another one, or change the record that has it.",
    ),
}


def _read_json(call: Request, answer: Response) -> Any:
    if not answer.body.strip() and call.method == "DELETE":
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        pass
    what = "an HTML page" if answer.body.lstrip()[:1] == b"<" else "an empty body" if not answer.body else "no JSON"
    raise MaestroQAServerError(
        answer.status,
        call.method,
        call.path,
        f"the body is {what}. Something between here and MaestroQA may have answered.",
    )


def _said(body: bytes, secrets: Sequence[str]) -> str:
    """Take the server's own words out of an error's body, without any secret in them."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    words = answer.get("error") or answer.get("message") if isinstance(answer, Mapping) else None
    if not words:
        return ""
    text = words if isinstance(words, str) else json.dumps(words)
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(text.split())[:_MESSAGE_LENGTH].rstrip(". ")


def read_retry_after(value: str | None, *, now: float) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date.

    :return: seconds from now, between 0 and 300; ``None`` when there is none or it makes no sense.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, IndexError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if seconds == seconds else None


def connection_error(call: Request, reason: str, *, sent: bool) -> MaestroQAConnectionError:
    """Say that no answer came.

    :param reason: what happened, in words that hold no URL.
    :param sent: whether the request may have reached MaestroQA.
    """
    hint = "Check the connection's host, the proxy and the network." if not sent else "MaestroQA may have been busy."
    return MaestroQAConnectionError(f"{call}: {reason}. {hint}", sent=sent)


def penalty_seconds(error: MaestroQARateLimitError, windows: Sequence[tuple[int, float]], refusals: int) -> float:
    """Decide how long every sharer of the token waits after a 429.

    :param error: the refusal; its message may name the window that is used up.
    :param windows: the bucket's (requests, seconds) pairs.
    :param refusals: how many refusals this call has met, this one included.
    :return: seconds: the server's Retry-After, else the window it names, else growing up to the longest window.
    """
    if error.retry_after is not None:
        return error.retry_after
    lengths = [seconds for _, seconds in windows] or [1.0]
    said = error.message.lower()
    if "minute" in said:
        return max(lengths)
    if "second" in said:
        return min(lengths)
    return min(max(lengths), min(lengths) * 2.0 ** (refusals - 1))


class Retry:
    """How often one call is repeated, and after how long. One object for each call.

    :param call: the call.
    :param deadline: Unix time in seconds after which nothing is tried again.
    :param tries: how often it is sent at most, refusals for the rate not counted: those end at the deadline.
    """

    def __init__(self, call: Request, *, deadline: float, tries: int = MAX_TRIES) -> None:
        self._call = call
        self.deadline = deadline
        self._tries = tries
        self.refusals = 0
        #: Whether a try may have been carried out although its answer was lost.
        self.answer_was_lost = False
        self._failures = 0

    def is_retryable(self, error: BaseException) -> bool:
        """Whether sending the call again can do no harm and may help."""
        if isinstance(error, MaestroQARateLimitError):
            return True
        if isinstance(error, MaestroQAConnectionError):
            return not error.sent or self._call.idempotent
        return isinstance(error, MaestroQAServerError) and self._call.idempotent

    def note(self, error: MaestroQAError) -> None:
        """Count a failure."""
        self.answer_was_lost = self.answer_was_lost or outcome_is_unknown(error)
        if isinstance(error, MaestroQARateLimitError):
            self.refusals += 1
        else:
            self._failures += 1

    def pause_s(self) -> float:
        """Seconds to wait before the next try of a call that failed."""
        longest = min(_LONGEST_PAUSE_S, 2.0 ** max(self._failures - 1, 0))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311

    def rules(self, *, now: Callable[[], float], sleep: Callable[[float], Any]) -> dict[str, Any]:
        """Give tenacity the rules: the same ones for its sync and its async form."""

        def after(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, MaestroQAError):
                self.note(error)

        def wait(state: tenacity.RetryCallState) -> float:
            # After a 429 it is the budget that makes this call wait, and everyone else with it.
            refused = state.outcome is not None and isinstance(state.outcome.exception(), MaestroQARateLimitError)
            return 0.0 if refused else self.pause_s()

        def stop(state: tenacity.RetryCallState) -> bool:
            return self._failures >= self._tries or now() + state.upcoming_sleep > self.deadline

        return {
            "retry": tenacity.retry_if_exception(self.is_retryable),
            "after": after,
            "wait": wait,
            "stop": stop,
            "sleep": sleep,
            "reraise": True,
        }


def outcome_is_unknown(error: MaestroQAError) -> bool:
    """Whether the request may have been carried out although the answer does not say so."""
    return isinstance(error, MaestroQAServerError) or (isinstance(error, MaestroQAConnectionError) and error.sent)


def verdict(call: Request, error: MaestroQAError, *, lost_before: bool = False) -> MaestroQAError:
    """Turn the last error of a call into what the caller must know.

    A lost answer of a call that is not safe to send twice is an unknown outcome, not a failure.

    :param lost_before: whether the answer to an earlier try of the call was lost.
    """
    if isinstance(error, MaestroQAAPIError):
        error.after_ambiguous_failure = lost_before
    if outcome_is_unknown(error) and not call.idempotent:
        consequence = (
            "The export may or may not have been asked for. Clear the task to ask (again): it does no harm."
            if "export" in call.path
            else "It may or may not have been carried out, so it was not sent again. Look at MaestroQA before you do."
        )
        return MaestroQAOutcomeUnknownError(f"{str(error).rstrip('.')}. {consequence}")
    return error


def budget_exhausted_error(call: Request, *, needed_s: float) -> MaestroQARateLimitError:
    """Say that the token's budget has no slot before the caller's deadline."""
    return MaestroQARateLimitError(
        429,
        call.method,
        call.path,
        f"not sent: the token's request budget has its next free slot in {needed_s:.0f} s, after this "
        "call's deadline. Run fewer tasks on this token at once, or use a second token.",
        retry_after=needed_s,
    )
