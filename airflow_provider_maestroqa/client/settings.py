"""A connection's fields, checked and typed, as the client needs them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS, Limits
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.fields import as_flag, as_seconds
from airflow_provider_maestroqa.client.presigned import is_loopback

DEFAULT_HOST = "https://app.maestroqa.com"
DEFAULT_TIMEOUT_S = 60.0
EXTRA_KEYS = ("rate_limits", "rate_limit_store", "timeout", "verify", "proxies", "allow_http")
_API_ROOT = "/api/v1"


@dataclass(frozen=True)
class Settings:
    """How to reach MaestroQA, and as whom.

    :param base_url: scheme and host, without a path, without a slash at the end.
    :param token: the API token.
    :param limits: bucket → (requests, seconds) pairs that the token may use.
    :param rate_limit_store: where the budget is shared; ``None`` is a file on this machine.
    :param timeout_s: seconds to wait for a connection or for the next bytes of an answer.
    :param verify: whether to check TLS certificates, or the path of a CA bundle.
    :param proxies: scheme → proxy URL.
    :param ignored: extra keys that mean nothing here.
    """

    base_url: str
    token: str = field(repr=False)
    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    rate_limit_store: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ignored: tuple[str, ...] = ()

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds to wait for a connection, and for the next bytes of an answer."""
        return min(10.0, self.timeout_s), self.timeout_s


def read_settings(
    conn_id: str,
    *,
    host: str | None = None,
    schema: str | None = None,
    port: int | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Settings:
    """Turn a connection's fields into settings.

    :param conn_id: the connection's id, for errors.
    :param host: base URL, or a bare host name (then ``https``). Default: MaestroQA's own.
    :param schema: scheme, when the host is a bare name.
    :param port: port, when it is not the scheme's own.
    :param password: the API token.
    :param extra: see :data:`EXTRA_KEYS`; values may be text, as forms and URIs give them.
    :raises MaestroQAConfigError: a field has a value that cannot work; the message names it.
    """
    where = f"Connection {conn_id!r}"
    if not (password or "").strip():
        raise MaestroQAConfigError(
            f"{where}: the password is empty. Put the API token there "
            "(MaestroQA dashboard, Other Settings, API Tokens, Create New Token)."
        )
    token = str(password).strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise MaestroQAConfigError(f"{where}: the password holds characters that no API token has. Copy it again.")
    options = {key.removeprefix("extra__maestroqa__"): value for key, value in (extra or {}).items()}
    options = {key: value for key, value in options.items() if value is not None and value != ""}
    allow_http = as_flag(options.get("allow_http", False), f"{where}: extra allow_http")
    return Settings(
        base_url=_base_url(where, host, schema, port, allow_http=allow_http),
        token=token,
        limits=_limits(options.get("rate_limits"), f"{where}: extra rate_limits"),
        rate_limit_store=_text(options.get("rate_limit_store"), f"{where}: extra rate_limit_store"),
        timeout_s=_timeout(options.get("timeout", DEFAULT_TIMEOUT_S), f"{where}: extra timeout"),
        verify=_verify(options.get("verify", True), f"{where}: extra verify"),
        proxies=_proxies(options.get("proxies"), f"{where}: extra proxies"),
        ignored=tuple(sorted(set(options) - set(EXTRA_KEYS))),
    )


def _base_url(where: str, host: str | None, schema: str | None, port: int | None, *, allow_http: bool) -> str:
    text = (host or "").strip() or DEFAULT_HOST
    parts = urlsplit(text if "://" in text else f"{schema or 'https'}://{text}")
    remedy = f"Give the base URL alone, such as {DEFAULT_HOST}."
    try:
        own_port = parts.port
    except ValueError:
        own_port = -1
    if parts.scheme not in ("https", "http") or not parts.hostname or own_port == -1:
        raise MaestroQAConfigError(f"{where}: the host {parts.hostname or text!r} is no https address. {remedy}")
    if parts.username is not None or parts.query or parts.fragment:
        raise MaestroQAConfigError(f"{where}: the host must hold no user, query or fragment. {remedy}")
    if parts.path.rstrip("/") not in ("", _API_ROOT):
        raise MaestroQAConfigError(f"{where}: the host must hold no path, got {parts.path!r}. {remedy}")
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
        raise MaestroQAConfigError(
            f"{where}: http://{parts.hostname} would send the token in the clear. Use https, or set the extra "
            "allow_http to true if you are sure."
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    number = own_port or port
    return f"{parts.scheme}://{name}:{number}" if number else f"{parts.scheme}://{name}"


def _limits(value: Any, field_name: str) -> Limits:
    value = _json(value, field_name)
    if value is None:
        return DEFAULT_LIMITS
    wanted = f'{field_name} must look like {{"normal": [[10, 1], [100, 60]]}} (requests, seconds)'
    if not isinstance(value, Mapping) or not set(value) <= set(DEFAULT_LIMITS):
        raise MaestroQAConfigError(f"{wanted}, with the buckets {', '.join(DEFAULT_LIMITS)}.")
    limits = dict(DEFAULT_LIMITS)
    for bucket, windows in value.items():
        if not isinstance(windows, Sequence) or isinstance(windows, str) or not windows:
            raise MaestroQAConfigError(f"{wanted}; {bucket} is {windows!r}.")
        limits[bucket] = tuple(_window(window, wanted) for window in windows)
    return limits


def _window(window: Any, wanted: str) -> tuple[int, float]:
    pair = window if isinstance(window, Sequence) and not isinstance(window, str) else ()
    if len(pair) == 2 and all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in pair):
        requests, seconds = pair
        if requests == int(requests) and requests >= 1 and 0 < seconds < math.inf:
            return int(requests), float(seconds)
    raise MaestroQAConfigError(f"{wanted}; got {window!r}.")


def _json(value: Any, field_name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    raise MaestroQAConfigError(f"{field_name} is no JSON.")


def _text(value: Any, field_name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise MaestroQAConfigError(f"{field_name} must be text, got {type(value).__name__}.")


def _timeout(value: Any, field_name: str) -> float:
    seconds = as_seconds(value, field_name)
    if seconds > 0:
        return seconds
    raise MaestroQAConfigError(
        f"{field_name} must be above 0 seconds: without a time-out a lost answer hangs the task."
    )


def _verify(value: Any, field_name: str) -> bool | str:
    if isinstance(value, str) and value.strip().lower() not in ("true", "false"):
        return value.strip()
    return as_flag(value, field_name)


def _proxies(value: Any, field_name: str) -> Mapping[str, str]:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        value = {"http": value, "https": value}
    value = _json(value, field_name)
    if value is None:
        return {}
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return dict(value)
    raise MaestroQAConfigError(f'{field_name} must look like {{"https": "http://proxy:3128"}}.')
