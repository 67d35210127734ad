"""What the outcome of a request means and what to do next. Pure decisions: no I/O, no clock, no sleeping.

The sync and the async client send requests; both ask here. A request goes through these steps::

    build_request → budget → send ──→ read_response ──→ the result
                   ↑         └──→ connection_error       (no response came)
                   └── Retry: again? after which pause?
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tenacity

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import (
    NOT_CARRIED_OUT_STATUSES,
    TRANSIENT_STATUSES,
    MaestroQAAPIError,
    MaestroQAAuthError,
    MaestroQABudgetExhaustedError,
    MaestroQAConfigError,
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
from airflow_provider_maestroqa.client.hosts import TOKEN_PAGE
from airflow_provider_maestroqa.client.server_text import clean_text, error_text
from airflow_provider_maestroqa.client.transport.json_decoding import InvalidJSONError, decode_json
from airflow_provider_maestroqa.client.transport.redirects import redirect_message

#: Seconds that one request may take with all its waiting for the budget and its retries, unless the caller says less.
DEFAULT_REQUEST_TIMEOUT_S = 900.0
#: Seconds that one try may take at most, however slowly its response comes.
MAX_TRY_S = 300.0
#: Seconds that a try has at least, when its slot of the budget comes at the last moment.
MIN_TRY_S = 1.0
#: How often one request is sent at most, 429s not counted.
MAX_ATTEMPTS = 5
#: Why no response came. The first two mean that the request may have been carried out.
BROKEN_OFF = "the connection broke before the response was complete"
NO_RESPONSE_IN_TIME = "no response came in time"
NOT_REACHED = "the server could not be reached"
NOT_ACCEPTED_IN_TIME = "the server did not accept the connection in time"
PROXY_REFUSED = "the proxy did not let the request through"
BAD_CERTIFICATE = "the certificate could not be verified (extra verify takes a CA bundle)"
_MAX_PAUSE_S = 30.0
_MAX_RETRY_AFTER_S = 300.0
_MAX_PLAIN_TEXT = 20_000


@dataclass(frozen=True)
class Response:
    """An HTTP response, whichever library brought it.

    :param status: the HTTP status.
    :param headers: the headers, with lower-case names.
    :param body: the whole body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def is_success(status: int) -> bool:
    """Whether a status says that the request was carried out: every 2xx does."""
    return 200 <= status < 300


def read_response(
    request: Request, response: Response, *, now: float, secrets: Sequence[str] = (), base_url: str = ""
) -> Any:
    """Read the JSON of a success, or raise the error that the response means. (API: Error Responses)

    :param request: what was sent.
    :param response: what came back.
    :param now: Unix time in seconds, for a Retry-After that is a date.
    :param secrets: texts that a server may echo and that no message may hold.
    :param base_url: the host that was asked, for the message about a redirect.
    :return: the decoded JSON, ``None`` for an empty body of an operation that returns nothing.
    :raises MaestroQAAPIError: the response is not a success.
    :raises MaestroQAConnectionError: a proxy responded in MaestroQA's stead, and passed nothing on.
    """
    status = response.status
    if is_success(status):
        return _read_json(request, response)
    message, explained = _server_message(response, secrets)
    where = (status, request.method, request.path)
    if status == 429:
        wait = read_retry_after(response.headers.get("retry-after"), now=now)
        raise MaestroQARateLimitError(*where, message or "too many requests", retry_after=wait)
    if status == 407:
        # Only a proxy sends it, and instead of passing the request on.
        raise connection_error(request, f"{PROXY_REFUSED}: it wants a user and a password (407)", sent=False)
    if 300 <= status < 400:
        location = response.headers.get("location", "")
        raise MaestroQAAPIError(*where, redirect_message(base_url, location, secrets=secrets))
    if status in TRANSIENT_STATUSES:
        hint = "MaestroQA" if status >= 500 else "MaestroQA, or a proxy on the way,"
        raise MaestroQAServerError(*where, message or f"{hint} failed. Try again later.", explained=explained)
    type_, hint = _ERRORS_BY_STATUS.get(status, (MaestroQAValidationError, "The values were rejected; correct them."))
    raise type_(*where, f"{message}. {hint}" if message else hint, explained=explained)


_ERRORS_BY_STATUS: Mapping[int, tuple[type[MaestroQAAPIError], str]] = {
    401: (
        MaestroQAAuthError,
        (
            "The API token is wrong, deactivated or expired: tokens end 90 days after they were made, unless that is "
            f"turned off. Make a new one at MaestroQA, now Rippit ({TOKEN_PAGE}), and put it into the connection's "
            "password."
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


def _read_json(request: Request, response: Response) -> Any:
    body = response.body
    if not body.strip() and (
        request.method == "DELETE" or (request.method in ("PATCH", "PUT") and response.status == 204)
    ):
        return None
    try:
        return decode_json(body)
    except InvalidJSONError as error:
        what = "is an HTML page" if body.lstrip()[:1] == b"<" else "is empty" if not body else str(error)
    raise MaestroQAServerError(
        response.status,
        request.method,
        request.path,
        f"the body {what}. Something between here and MaestroQA may have answered.",
    )


def _server_message(response: Response, secrets: Sequence[str]) -> tuple[str, bool]:
    """Take the server's own words out of an error's body.

    :return: the words, and whether MaestroQA said them: plain text may come from a proxy.
    """
    try:
        text = error_text(decode_json(response.body))
    except InvalidJSONError:
        is_text = response.headers.get("content-type", "").lower().startswith("text/plain")
        plain = response.body[:_MAX_PLAIN_TEXT].decode(errors="replace") if is_text else ""
        text = "" if plain.lstrip()[:1] == "<" else plain
        return clean_text(text, secrets=secrets).rstrip(". "), False
    message = clean_text(text, secrets=secrets).rstrip(". ")
    return message, bool(message)


def read_retry_after(value: str | None, *, now: float) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date.

    :return: seconds from now, between 0 and 300; ``None`` when the header is missing or makes no sense.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, IndexError, OverflowError, OSError):
            return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S) if seconds == seconds else None


def connection_error(request: Request, reason: str, *, sent: bool, hint: str = "") -> MaestroQAConnectionError:
    """Build the error for a request without a response that can be read.

    :param reason: what happened, in words that hold no URL.
    :param sent: whether the request may have reached MaestroQA: whether its bytes began to leave.
    :param hint: what the user can do, where it is not the usual.
    """
    if not hint:
        hint = "MaestroQA may have been busy." if sent else "Check the connection's host, the proxy and the network."
    return MaestroQAConnectionError(f"{request}: {reason}. {hint}", sent=sent)


def rate_limit_pause(error: MaestroQARateLimitError, windows: Sequence[tuple[int, float]], count: int) -> float:
    """Decide how long every sharer of the token waits after a 429.

    :param error: the 429; its message may name the window that is used up.
    :param windows: the bucket's (requests, seconds) pairs.
    :param count: how many 429s this request has met, this one included.
    :return: seconds: the server's Retry-After, else the window it names, else growing up to the longest window.
    """
    if error.retry_after is not None:
        return error.retry_after
    lengths = [seconds for _, seconds in windows] or [1.0]
    window = full_window(error, windows)
    return min(max(lengths), min(lengths) * 2.0 ** (count - 1)) if window is None else window


def full_window(error: MaestroQARateLimitError, windows: Sequence[tuple[int, float]]) -> float | None:
    """Return the length in seconds of the window that a 429 says is used up, if it says so."""
    lengths = [seconds for _, seconds in windows] or [1.0]
    message = error.message.lower()
    if "minute" in message:
        return max(lengths)
    return min(lengths) if "second" in message else None


def is_not_carried_out(error: MaestroQAError) -> bool:
    """Whether it is certain that the request did nothing: it was not sent, or a response says so."""
    if isinstance(error, MaestroQAConfigError):
        return True
    if isinstance(error, MaestroQAConnectionError):
        return not error.sent
    return isinstance(error, MaestroQAAPIError) and error.status in NOT_CARRIED_OUT_STATUSES


def outcome_is_unknown(error: MaestroQAError) -> bool:
    """Whether the request may have been carried out although no response says so."""
    return isinstance(error, (MaestroQAServerError, MaestroQAConnectionError)) and not is_not_carried_out(error)


class Retry:
    """How often one request is sent, and after which pauses. One object for each request.

    :param request: the request.
    :param deadline: Unix time in seconds after which nothing is tried again.
    :param max_attempts: how often it is sent at most, 429s not counted: those end at the deadline.
    :param slot_deadline: Unix time in seconds until which it waits for the request budget. Default: the deadline.
    :param now: Unix time in seconds.
    """

    def __init__(
        self,
        request: Request,
        *,
        deadline: float,
        max_attempts: int = MAX_ATTEMPTS,
        slot_deadline: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.request = request
        self.deadline = deadline
        self.slot_deadline = deadline if slot_deadline is None else min(slot_deadline, deadline)
        self.rate_limited = 0
        #: When the last try was sent, in monotonic seconds.
        self.sent_at = 0.0
        self._max_attempts = max_attempts
        self._now = now
        self._failures = 0
        self._had_unknown_outcome = False

    def is_retryable(self, error: BaseException) -> bool:
        """Whether sending the request again can do no harm and may help."""
        return (
            isinstance(error, MaestroQAError)
            and error.retryable
            and (is_not_carried_out(error) or (outcome_is_unknown(error) and self.request.idempotent))
        )

    def try_timeout_s(self, *, silence_s: float, is_large: bool = False) -> float:
        """Seconds that the next try may take as a whole: never much past the deadline.

        :param silence_s: seconds that it may take without a byte.
        :param is_large: whether the response is too large for a limit of its own.
        """
        seconds_left = self.deadline - self._now()
        return max(seconds_left if is_large else min(seconds_left, max(MAX_TRY_S, silence_s)), MIN_TRY_S)

    def record_failure(self, error: MaestroQAError) -> None:
        """Count a failure."""
        self._had_unknown_outcome = self._had_unknown_outcome or outcome_is_unknown(error)
        if isinstance(error, MaestroQARateLimitError):
            self.rate_limited += 1
        else:
            self._failures += 1

    def pause_s(self) -> float:
        """Seconds to wait before the next try after a failure."""
        pause = min(_MAX_PAUSE_S, 2.0 ** max(self._failures - 1, 0))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311

    def tenacity_options(self, sleep: Callable[[float], Any]) -> dict[str, Any]:
        """Return the arguments for tenacity: the same ones for its sync and its async form."""
        return {
            "retry": tenacity.retry_if_exception(self.is_retryable),
            "after": self._after,
            "wait": self._wait,
            "stop": self._stop,
            "sleep": sleep,
            "reraise": True,
        }

    def _after(self, state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        if isinstance(error, MaestroQAError):
            self.record_failure(error)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        # After a 429 it is the budget that makes this request wait, and everyone else with it.
        return 0.0 if isinstance(_error_of(state), MaestroQARateLimitError) else self.pause_s()

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        return self._failures >= self._max_attempts or self._now() + state.upcoming_sleep > self.deadline

    def final_error(self, error: MaestroQAError | BudgetExhaustedError) -> MaestroQAError:
        """Turn the last error of the request into what the caller must know.

        A lost response to a request that is not safe to send twice is an unknown outcome, not a failure.
        """
        request = self.request
        if isinstance(error, BudgetExhaustedError):
            error = MaestroQABudgetExhaustedError(
                None,
                request.method,
                request.path,
                f"the token's request budget has its next free slot in {error.needed_s:.0f} s, after this request's "
                "deadline. Run fewer tasks on this token at once, or use a second token.",
                retry_after=error.needed_s,
            )
        if isinstance(error, MaestroQAAPIError):
            error.after_ambiguous_failure = self._had_unknown_outcome
        if outcome_is_unknown(error) and not request.idempotent:
            return MaestroQAOutcomeUnknownError(
                f"{str(error).rstrip('.')}. {request.endpoint.unknown_outcome_hint}",
                retryable=request.endpoint.may_be_repeated,
            )
        return error


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
