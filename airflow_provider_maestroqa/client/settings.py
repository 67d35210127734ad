"""A connection's fields, checked and typed, as the client needs them."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS, Limits
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import parse_flag, parse_seconds
from airflow_provider_maestroqa.client.presigned import is_loopback

DEFAULT_HOST = "https://app.maestroqa.com"
DEFAULT_TIMEOUT_S = 60.0
EXTRA_KEYS = ("rate_limits", "rate_limit_store", "timeout", "verify", "proxies", "allow_http")
_API_ROOT = "/api/v1"
#: Old forms of Airflow 2 wrote the connection's type in front of each key.
_OLD_PREFIX = "extra__maestroqa__"
#: What the form of Airflow 2 shows in place of a secret of the extra.
FORM_MASK = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"
#: What forms and editors leave behind in a field that holds nothing; *Test* in Airflow 2 sends the mask itself.
_NOTHING: tuple[Any, ...] = (None, "", [], {}, FORM_MASK)
#: Checked boxes come as "y" from the *Test* button of Airflow 2, YAML files may hold the others.
_FLAGS = {"true": True, "y": True, "yes": True, "on": True, "false": False, "n": False, "no": False, "off": False}
#: Keys of proxies that name hosts instead of a proxy.
_NO_PROXY = ("no_proxy", "no")


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

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show: the token, and the passwords within the store's and the proxies' URLs."""
        found = [self.token]
        for url in (self.rate_limit_store or "", *self.proxies.values()):
            found += _passwords_in(url)
        return tuple(dict.fromkeys(found))


def read_settings(
    conn_id: str,
    *,
    host: str | None = None,
    schema: str | None = None,
    port: int | str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | str | None = None,
) -> Settings:
    """Turn a connection's fields into settings.

    :param conn_id: the connection's id, for errors.
    :param host: base URL, or a bare host name (then ``https``). Default: MaestroQA's own.
    :param schema: scheme, when the host is a bare name.
    :param port: port, when it is not the scheme's own.
    :param login: not used; for a hint when the token was put there.
    :param password: the API token.
    :param extra: see :data:`EXTRA_KEYS`; an object or the JSON of one. Values may be text, as forms and URIs give
        them; what forms leave empty counts as absent.
    :raises MaestroQAConfigError: a field has a value that cannot work; the message names it.
    """
    where = f"Connection {conn_id!r}"
    token = _token(where, login, password)
    options = _options(extra, f"{where}: the extra")
    allow_http = _flag(options.get("allow_http", False), f"{where}: extra allow_http")
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


def _token(where: str, login: str | None, password: str | None) -> str:
    token = (password or "").strip()
    if not token:
        misplaced = (
            " There is a login: if that is the token, move it to the password; in a URI it stands after a colon, as "
            "in maestroqa://:token@host."
        )
        raise MaestroQAConfigError(
            f"{where}: the password is empty. Put the API token there "
            f"(MaestroQA dashboard, Other Settings, API Tokens, Create New Token).{misplaced if login else ''}"
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise MaestroQAConfigError(f"{where}: the password holds characters that no API token has. Copy it again.")
    return token


def _options(extra: Mapping[str, Any] | str | None, field_name: str) -> dict[str, Any]:
    """The keys that hold something; a key with the old prefix stands back behind one without."""
    if isinstance(extra, str):
        extra = _json(extra, field_name) if extra.strip() else None
    if extra and not isinstance(extra, Mapping):
        raise MaestroQAConfigError(f'{field_name} must be a JSON object, such as {{"timeout": 120}}.')
    filled = {
        key: value
        for key, value in (extra or {}).items()
        if (value.strip() if isinstance(value, str) else value) not in _NOTHING
    }
    old = {key.removeprefix(_OLD_PREFIX): value for key, value in filled.items() if key.startswith(_OLD_PREFIX)}
    return {**old, **{key: value for key, value in filled.items() if not key.startswith(_OLD_PREFIX)}}


def _base_url(where: str, host: str | None, schema: str | None, port: int | str | None, *, allow_http: bool) -> str:
    text = (host or "").strip() or DEFAULT_HOST
    scheme = (schema or "").strip().lower() or "https"
    remedy = f"Give the base URL alone, such as {DEFAULT_HOST}."
    if "://" not in text and scheme not in ("https", "http"):
        raise MaestroQAConfigError(
            f"{where}: the schema {schema!r} is neither https nor http. Leave it empty; in a URI it is the path."
        )
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        name, own_port = parts.hostname or "", parts.port
    except ValueError:
        raise MaestroQAConfigError(f"{where}: the host is no https address. {remedy}") from None
    if parts.scheme not in ("https", "http") or not _is_hostname(name):
        raise MaestroQAConfigError(f"{where}: the host {name or text!r} is no https address. {remedy}")
    if parts.username is not None or parts.query or parts.fragment:
        raise MaestroQAConfigError(f"{where}: the host must hold no user, query or fragment. {remedy}")
    if parts.path.rstrip("/") not in ("", _API_ROOT):
        raise MaestroQAConfigError(f"{where}: the host must hold no path, got {parts.path!r}. {remedy}")
    if parts.scheme == "http" and not allow_http and not is_loopback(name):
        raise MaestroQAConfigError(
            f"{where}: http://{name} would send the token in the clear. Use https, or set the extra "
            "allow_http to true if you are sure."
        )
    number = own_port or _port(where, port)
    place = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{place}:{number}" if number else f"{parts.scheme}://{place}"


def _is_hostname(text: str) -> bool:
    return bool(text) and all(sign.isalnum() or sign in "-._:%" for sign in text)


def _port(where: str, port: int | str | None) -> int | None:
    if port is None or port in ("", 0):
        return None
    if str(port).strip().isdecimal() and 0 < int(port) < 65536:
        return int(port)
    raise MaestroQAConfigError(f"{where}: the port must be a whole number from 1 to 65535, got {port!r}.")


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
    try:
        # The form of Airflow 2 shows an object as Python writes it, and stores what it shows.
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise MaestroQAConfigError(f"{field_name} is no JSON. Keys and texts in it need double quotes.")


def _text(value: Any, field_name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise MaestroQAConfigError(f"{field_name} must be text, got {type(value).__name__}.")


def _timeout(value: Any, field_name: str) -> float:
    seconds = parse_seconds(value, field_name)
    if seconds > 0:
        return seconds
    raise MaestroQAConfigError(
        f"{field_name} must be above 0 seconds: without a time-out a lost answer hangs the task."
    )


def _verify(value: Any, field_name: str) -> bool | str:
    if isinstance(value, str) and value.strip().lower() not in _FLAGS:
        return value.strip()
    return _flag(value, field_name)


def _flag(value: Any, field_name: str) -> bool:
    return parse_flag(_FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value, field_name)


def _proxies(value: Any, field_name: str) -> Mapping[str, str]:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        value = {"http": value, "https": value}
    value = _json(value, field_name)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise MaestroQAConfigError(f'{field_name} must look like {{"https": "http://proxy:3128"}}.')
    return {name: url if name in _NO_PROXY else _proxy(url.strip(), field_name) for name, url in value.items()}


def _proxy(url: str, field_name: str) -> str:
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise MaestroQAConfigError(f"{field_name} must be URLs of http or https proxies, got one of {scheme!r}.")
    return url if separator else f"http://{url}"


def _passwords_in(url: str) -> list[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    return [password, unquote(password)] if password else []
