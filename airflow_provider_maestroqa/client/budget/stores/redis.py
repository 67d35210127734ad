"""The budget of many machines, in Redis or Valkey."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from math import inf, isinf
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, Rules
from airflow_provider_maestroqa.client.budget.slot_log import SURELY_KEPT, Denied, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.redis_script import SCRIPT
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError, MaestroQAError

log = logging.getLogger(__name__)

Handle = tuple[str, str]

#: What to say where the package is missing.
MISSING = (
    "rate_limit_store names a Redis server, but the Python package redis is not installed. "
    "Install it with: pip install 'airflow-provider-maestroqa[redis]'"
)

#: Parts of the log; the names stay, because processes of other versions share them.
_KEYS = ("log", "polls", "free", "line", "line_until", "state")

# What a server says while another one takes over, or while it starts.
_TRANSIENT_ERRORS = ("READONLY", "MASTERDOWN", "LOADING", "TRYAGAIN", "BUSY")

# One response that does not come must not use up all the time there is for retries.
_ANSWER_S = 3.0


class RedisStore:
    """Logs in a Redis server. Every call is one run of one script, by the server's own clock.

    A server that restarts or moves is waited for; what may be lost with it is made up for by waiting one window.

    :param url: ``redis://``, ``rediss://`` or ``unix://``.
    :param timeout: for how many seconds to try.
    :param now: stands in for the server's clock in tests.
    :raises MaestroQAConfigError: the URL cannot be read.
    """

    blocking = True
    stays_open = False

    def __init__(self, url: str, *, timeout: float, now: Callable[[], float] | None = None) -> None:
        self.name = store_name(url)
        self._url = url
        self._timeout = timeout
        self._now = now
        self._lock = threading.Lock()
        self._client: Any = None
        self._script: Any = None
        self._is_checked = False

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        stale, known_log = request.replaces, request.known_log
        result = self._run(
            budget,
            "book",
            *_numbers(rules),
            int(request.polling),
            "" if request.max_wait == inf else request.max_wait,
            "" if stale is None else stale[1],
            "" if known_log is None else known_log.generation,
            "" if known_log is None or isinf(known_log.age) else known_log.age,
            "" if stale is None else stale[0],
            request.waiter_id,
            request.waited,
            "" if known_log is None or known_log.handle is None else known_log.handle[1],
            "" if known_log is None or isinf(known_log.slot_age) else known_log.slot_age,
            SURELY_KEPT,
        )
        if result[0] == "denied":
            return Denied(wait=float(result[1]), final=bool(int(result[2])))
        _, member, wait, window, ahead, generation = result
        return Reservation(
            handle=(generation, member),
            wait=float(wait),
            window=int(window) if window else None,
            ahead=int(ahead),
            generation=generation,
        )

    def remaining(self, budget: str, handle: Handle) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        result = self._run(budget, "remaining", *handle)
        return float(result) if result else None

    def release(self, budget: str, handle: Handle) -> None:
        """Release a slot that will not be used."""
        self._run(budget, "release", *handle)

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._run(budget, "pause", *_numbers(rules), min(max(seconds, 0.0), MAX_PAUSE_S))

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
            client.connection_pool.disconnect()  # which redis 5.0.0 leaves open

    def _run(self, budget: str, call: str, *arguments: object) -> Any:
        keys = [f"maestroqa:budget:{{{budget}}}:{part}" for part in _KEYS]
        now = "" if self._now is None else repr(self._now())
        script_args = [call, now, os.urandom(16).hex(), *arguments]
        self._prepare()
        until, pause = time.monotonic() + self._timeout, 0.0
        while True:
            result, failure, is_transient = self._once(keys, script_args)
            if failure is None:
                if not self._is_checked:
                    self._is_checked = True
                    self._warn_if_evicting()
                return result
            if not is_transient or time.monotonic() + pause >= until:
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

    def _warn_if_evicting(self) -> None:
        from redis import exceptions

        try:
            memory = self._client.info("memory")
        except (exceptions.RedisError, AttributeError):  # not permitted, or closed meanwhile
            return
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and memory.get("maxmemory"):
            log.warning(
                "%s may evict the request budget when its memory is full (maxmemory-policy %s); then all requests "
                "pause for a window. Set the policy to noeviction, or name another server in rate_limit_store.",
                self.name[0].upper() + self.name[1:],
                policy,
            )

    def _once(self, keys: list[str], script_args: list[object]) -> tuple[Any, MaestroQAError | None, bool]:
        from redis import exceptions

        try:
            return self._script(keys=keys, args=script_args), None, False
        except (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError) as error:
            return None, _auth_error(self.name, error), False
        except exceptions.RedisError as error:
            lost = isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError))
            # Redis 7 tells by the error's class what Redis 6 tells in the text of a script's error.
            message = f"{type(error).__name__} {error}".upper()
            is_transient = lost or any(sign in message for sign in _TRANSIENT_ERRORS)
            return None, _connection_error(self.name, error), is_transient


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
        rules.polls_paced,
        rules.before_reserve,
        rules.contention,
        shortest,
        longest,
        len(rules.windows),
        *flat,
    ]


def _auth_error(name: str, error: Exception) -> MaestroQAError:
    return MaestroQAConfigError(
        f"{name[0].upper()}{name[1:]}, which keeps the request budget, rejected user or password "
        f"({type(error).__name__}). Check rate_limit_store in the connection."
    )


def _connection_error(name: str, error: Exception) -> MaestroQAError:
    return MaestroQAConnectionError(
        f"{name[0].upper()}{name[1:]}, which keeps the request budget, cannot be used ({error}). Nothing was sent. "
        "Check that it runs and can be reached from here.",
        sent=False,
    )
