"""The budget of many machines, in Redis or Valkey."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from math import inf, isinf
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.budget.limits import LONGEST_PENALTY_S, Rules
from airflow_provider_maestroqa.client.budget.slot_log import Booked, Refused, Wish
from airflow_provider_maestroqa.client.budget.stores.redis_script import SCRIPT
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError, MaestroQAError

Handle = tuple[str, str]

#: What to say where the package is missing.
MISSING = (
    "rate_limit_store names a Redis server, but the Python package redis is not installed. "
    "Install it with: pip install 'airflow-provider-maestroqa[redis]'"
)

_PARTS = ("log", "polls", "free", "line", "line_until", "state")

# What a server says while another one takes over, or while it starts.
_PASSING = ("READONLY", "MASTERDOWN", "LOADING", "TRYAGAIN", "BUSY")

# One answer that does not come must not use up all the time there is for trying again.
_ANSWER_S = 3.0


class RedisStore:
    """Ledgers in a Redis server. Every call is one run of one script, by the server's own clock.

    A server that restarts or moves is waited for; what is lost with it is made up for by waiting one window.

    :param url: ``redis://``, ``rediss://`` or ``unix://``.
    :param timeout: for how many seconds to try.
    :param now: stands in for the server's clock in tests.
    :raises MaestroQAConfigError: the URL cannot be read.
    """

    blocking = True
    lasting = False

    def __init__(self, url: str, *, timeout: float, now: Callable[[], float] | None = None) -> None:
        self.name = store_name(url)
        self._url = url
        self._timeout = timeout
        self._now = now
        self._lock = threading.Lock()
        self._client: Any = None
        self._script: Any = None

    def book(self, budget: str, rules: Rules, wish: Wish) -> Booked | Refused:
        """Book a slot."""
        stale, witness = wish.instead_of, wish.witness
        answer = self._run(
            budget,
            "book",
            *_numbers(rules),
            int(wish.polling),
            "" if wish.patience == inf else wish.patience,
            "" if stale is None else stale[1],
            "" if witness is None else witness.generation,
            "" if witness is None or isinf(witness.age) else witness.age,
            "" if stale is None else stale[0],
            wish.ticket,
            wish.waited,
        )
        if answer[0] == "refused":
            return Refused(wait=float(answer[1]), final=bool(int(answer[2])))
        _, member, wait, window, ahead, generation = answer
        return Booked(
            handle=(generation, member),
            wait=float(wait),
            window=int(window) if window else None,
            ahead=int(ahead),
            generation=generation,
        )

    def remaining(self, budget: str, handle: Handle) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        answer = self._run(budget, "remaining", *handle)
        return float(answer) if answer else None

    def give_back(self, budget: str, handle: Handle) -> None:
        """Return a slot that will not be used."""
        self._run(budget, "give_back", *handle)

    def penalise(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._run(budget, "penalise", *_numbers(rules), min(max(seconds, 0.0), LONGEST_PENALTY_S))

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
            client.connection_pool.disconnect()  # which redis 5.0.0 leaves open

    def _run(self, budget: str, call: str, *arguments: object) -> Any:
        keys = [
            f"maestroqa:budget:{{{budget}}}:{part}"
            for part in ("log", "polls", "free", "line", "line_until", "state")
        ]
        now = "" if self._now is None else repr(self._now())
        given = [call, now, os.urandom(16).hex(), *arguments]
        self._prepare()
        until, pause = time.monotonic() + self._timeout, 0.0
        while True:
            answer, failure, passing = self._once(keys, given)
            if failure is None:
                return answer
            if not passing or time.monotonic() + pause >= until:
                raise failure
            time.sleep(pause)
            pause = min(1.0, 2 * pause + 0.05)

    def _prepare(self) -> None:
        # Not when the store is made, which may be in an event loop: importing redis takes too long for one.
        with self._lock:
            if self._client is None:
                client = _connect(self._url, self.name, min(self._timeout, _ANSWER_S))
                self._script = client.register_script(SCRIPT)
                self._client = client

    def _once(self, keys: list[str], given: list[object]) -> tuple[Any, MaestroQAError | None, bool]:
        from redis import exceptions

        try:
            return self._script(keys=keys, args=given), None, False
        except (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError) as error:
            return None, _refused(self.name, error), False
        except exceptions.RedisError as error:
            lost = isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError))
            # Redis 7 tells by the error's class what Redis 6 tells in the text of a script's error.
            told = f"{type(error).__name__} {error}".upper()
            passing = lost or any(sign in told for sign in _PASSING)
            return None, _lost(self.name, error), passing


def store_name(url: str) -> str:
    """Return what messages call a server: its address without user, password and options.

    :raises MaestroQAConfigError: the URL cannot be read.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = None
    if parts is None or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise MaestroQAConfigError(
            "rate_limit_store is not a Redis URL that can be read. It looks like redis://user:password@host:6379/0; "
            "in user and password the characters : / ? # [ ] @ % have to be written as %3A, %2F and so on."
        )
    if parts.scheme == "unix":
        return f"the Redis server at unix://{parts.path}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"the Redis server at {parts.scheme}://{host}:{port or 6379}{parts.path}"


def _connect(url: str, name: str, timeout: float) -> Any:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        redis = None
    if redis is None:
        raise MaestroQAConfigError(MISSING)
    try:
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # tried again here, where it is known how long it took
        )
        client.connection_pool.make_connection()  # connects to nothing, but looks at the URL's options
    except (ValueError, TypeError) as error:
        reason = type(error).__name__
    else:
        return client
    raise MaestroQAConfigError(
        f"rate_limit_store cannot be used as a Redis URL for {name} ({reason}). See what follows the question mark."
    )


def _numbers(rules: Rules) -> list[float]:
    shortest, longest = rules.poll_retry
    flat = [number for window in rules.windows for number in window]
    return [
        rules.longest,
        rules.slowest,
        rules.interval,
        rules.polls_at_once,
        rules.poll_lookahead,
        *rules.poll_share,
        *rules.poll_gap,
        rules.contention,
        shortest,
        longest,
        len(rules.windows),
        *flat,
    ]


def _refused(name: str, error: Exception) -> MaestroQAError:
    return MaestroQAConfigError(
        f"{name[0].upper()}{name[1:]}, which keeps the request budget, refused user or password "
        f"({type(error).__name__}). Check rate_limit_store in the connection."
    )


def _lost(name: str, error: Exception) -> MaestroQAError:
    return MaestroQAConnectionError(
        f"{name[0].upper()}{name[1:]}, which keeps the request budget, cannot be used ({error}). Nothing was sent. "
        "Check that it runs and can be reached from here.",
        sent=False,
    )
