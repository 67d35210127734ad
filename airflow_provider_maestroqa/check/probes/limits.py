"""The rate limits: what a 429 says, and with ``--burst`` how many requests it takes to get one."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_maestroqa.check.account import CheckedAccount, Reply
from airflow_provider_maestroqa.check.finding import Finding, not_seen, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.transport.retry import read_retry_after

_DOCUMENTED, _WINDOW_S = 10, 1.0
#: Seconds from the first requests to those that are refused, and to the one after them.
_REFUSED_AT_S, _AFTER_S = 0.6, 1.3
_REQUEST = build_request("list_todos", {"count": 1})


def _burst(account: CheckedAccount) -> Sequence[Reply]:
    """Exceed the second's limit by one, then send more that are refused, and one more when the second is over."""
    if not account.burst:
        client, clock = account.hook.client, account.hook.clock
        client.reserve("normal", 2 * _DOCUMENTED + 2)
        begin = clock.monotonic()
        responses = client.burst(_REQUEST, _DOCUMENTED + 1)
        account.burst_s = clock.monotonic() - begin
        clock.sleep(max(0.0, _REFUSED_AT_S - account.burst_s))
        if account.burst_s < _REFUSED_AT_S:
            responses += client.burst(_REQUEST, _DOCUMENTED)
            clock.sleep(max(0.0, begin + _AFTER_S - clock.monotonic()))
            responses += client.burst(_REQUEST, 1)
        # Those who share the token wait until its second is over.
        client.pause("normal", _WINDOW_S)
        account.burst = [account.reply(response) for response in responses]
    return account.burst


def _per_second(account: CheckedAccount) -> Finding:
    first = _burst(account)[: _DOCUMENTED + 1]
    accepted = sum(one.is_success for one in first)
    seen = f"{accepted} of {len(first)} accepted within {account.burst_s:.1f} s"
    if accepted == len(first):
        if account.burst_s >= _WINDOW_S:
            return not_seen(f"{seen}: too slow to tell")
        return told(False, seen, limits={})
    limits = {"normal": [[accepted, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}
    return told(accepted == _DOCUMENTED, seen, **({} if accepted == _DOCUMENTED else {"limits": limits}))


def _refused(account: CheckedAccount) -> Finding:
    replies = _burst(account)
    if len(replies) != 2 * _DOCUMENTED + 2 or any(one.is_success for one in replies[_DOCUMENTED + 1 : -1]):
        return not_seen("too few requests were refused")
    is_accepted = replies[-1].is_success
    seen = f"{_AFTER_S} s after the first ones: {replies[-1].says}"
    return told(is_accepted, seen, count_refused=not is_accepted)


def _words(account: CheckedAccount) -> Finding:
    reply = _rate_limited(account)
    if reply is None:
        return not_seen("no 429 was met; --burst provokes one")
    return told("second" in reply.words or "minute" in reply.words, reply.says)


def _retry_after(account: CheckedAccount) -> Finding:
    reply = _rate_limited(account)
    if reply is None:
        return not_seen("no 429 was met; --burst provokes one")
    seconds = read_retry_after(reply.headers.get("retry-after"), now=reply.received_at)
    if seconds is None:
        return told(True, "none", retry_after=False)
    return told(False, f"Retry-After: {seconds:.0f} s", retry_after=True)


def _rate_limited(account: CheckedAccount) -> Reply | None:
    response = account.hook.client.rate_limited
    refused = [one for one in account.burst if one.status == 429]
    return refused[0] if refused else None if response is None else account.reply(response)


PROBES = (
    Probe(
        "requests_per_second",
        f"A token may send {_DOCUMENTED} requests a second.",
        "Put the real limits into the connection's extra `rate_limits`.",
        _per_second,
        needs="burst",
    ),
    Probe(
        "refused_requests",
        "Requests that are refused do not count towards the limits.",
        "After a 429 the budget needs longer to be free again. Nothing is lost.",
        _refused,
        needs="burst",
    ),
    Probe(
        "rate_limit_words",
        "A 429 names the window that is used up: the second or the minute.",
        "The pause after a 429 grows until it is long enough.",
        _words,
    ),
    Probe(
        "retry_after",
        "A 429 carries no Retry-After.",
        "Nothing to do: the pause is as long as it says.",
        _retry_after,
    ),
)
