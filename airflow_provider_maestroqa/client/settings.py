"""A connection's fields, checked and typed, as the client needs them."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_provider_maestroqa import __version__
from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS, Limits
from airflow_provider_maestroqa.client.connection_fields import CONFIG_SECTION, DEFAULT_TIMEOUT_S, EXTRA_FIELDS
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.hosts import DEFAULT_HOST, NEW_HOST, TOKEN_PAGE
from airflow_provider_maestroqa.client.parsing import parse_count, parse_flag, parse_seconds
from airflow_provider_maestroqa.client.presigned import is_loopback

_DISTRIBUTION = "airflow-provider-maestroqa"
_API_ROOT = "/api/v1"
#: Old forms of Airflow 2 wrote the connection's type in front of each key.
_OLD_PREFIX = "extra__maestroqa__"
#: What the form of Airflow 2 shows in place of a secret of the extra.
FORM_MASK = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"
#: What forms and editors leave in an empty field; *Test* in Airflow 2 sends the mask itself.
_BLANK: tuple[Any, ...] = (None, "", [], {}, FORM_MASK)
#: Checked boxes come as "y" from the *Test* button of Airflow 2, YAML files may hold the others.
_FLAGS = {"true": True, "y": True, "yes": True, "on": True, "false": False, "n": False, "no": False, "off": False}
#: Keys of proxies that name hosts instead of a proxy.
_NO_PROXY = ("no_proxy", "no")
#: The names of parameters in a URL's query that hold a secret.
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key$|credential", re.I)


@dataclass(frozen=True)
class Settings:
    """How to reach MaestroQA, and as whom.

    :param base_url: scheme and host, without a path, without a slash at the end.
    :param token: the API token.
    :param limits: bucket → (requests, seconds) pairs that the token may use.
    :param rate_limit_store: where the budget is shared; ``None`` is a file on this machine.
    :param timeout_s: seconds to wait for a connection or for the next bytes of a response.
    :param verify: whether to check TLS certificates, or the path of a CA bundle.
    :param proxies: scheme → proxy URL, or an empty text for the direct way.
    :param allow_http: whether the token may travel over ``http://`` to a host other than this machine.
    :param unknown_keys: extra keys that have no meaning here.
    """

    base_url: str
    token: str = field(repr=False)
    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    rate_limit_store: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_http: bool = False
    unknown_keys: tuple[str, ...] = ()

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds to wait for a connection, and for the next bytes of a response."""
        return min(10.0, self.timeout_s), self.timeout_s

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show: the token, and the passwords within the store's and the proxies' URLs."""
        secrets = [self.token]
        for extra in EXTRA_FIELDS:
            value = getattr(self, extra.attribute or extra.name) if extra.is_sensitive else None
            for url in value.values() if isinstance(value, Mapping) else (value or "",):
                secrets += _passwords_in(url)
        return tuple(dict.fromkeys(secrets))


def read_settings(
    conn_id: str,
    *,
    host: str | None = None,
    schema: str | None = None,
    port: int | str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | str | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Settings:
    """Parse a connection's fields.

    :param conn_id: the connection's id, for error messages.
    :param host: base URL, or a bare host name (then ``https``). Default: MaestroQA's own.
    :param schema: scheme, when the host is a bare name.
    :param port: port, when it is not the scheme's own.
    :param login: not used, but for a hint when the token may stand there.
    :param password: the API token.
    :param extra: the keys of :data:`~.connection_fields.EXTRA_FIELDS`: an object, or the JSON of one. Values may be
        text, as forms and URIs give them; what forms leave empty counts as absent.
    :param defaults: what fields have that the connection leaves empty, by the names of
        :data:`~.connection_fields.CONFIG_OPTIONS`: the options of airflow.cfg, as text.
    :raises MaestroQAConfigError: a field has a value that cannot work; the message names it.
    """
    where = f"Connection {conn_id!r}"
    token = _token(where, login, password)
    options = _options(extra, f"{where}: the extra")
    configured = _options(defaults, "airflow.cfg")
    values = {}
    for extra_field in EXTRA_FIELDS:
        name, place = extra_field.name, f"{where}: extra {extra_field.name}"
        if name not in options and name in configured:
            place = f"airflow.cfg: [{CONFIG_SECTION}] {name}"
        value = options.pop(name, configured.get(name, extra_field.default))
        values[extra_field.attribute or name] = PARSERS[extra_field.parser](value, place)
    if not (host or "").strip() and "host" in configured:
        where, host = f"airflow.cfg: [{CONFIG_SECTION}] host", configured["host"]
    base_url = _base_url(where, host, schema, port, allow_http=values["allow_http"])
    return Settings(base_url=base_url, token=token, **values, unknown_keys=tuple(sorted(options)))


@lru_cache(maxsize=1)
def user_agent() -> str:
    """Return the User-Agent header, with the version that is installed."""
    try:
        version = metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        version = __version__
    return f"{_DISTRIBUTION}/{version}"


def _token(where: str, login: str | None, password: str | None) -> str:
    token = (password or "").strip()
    if not token:
        misplaced = (
            " There is a login: if that is the token, move it to the password; in a URI it stands after a colon, as "
            "in maestroqa://:token@host."
        )
        raise MaestroQAConfigError(
            f"{where}: the password is empty. Put the API token there "
            f"(made at MaestroQA, now Rippit: {TOKEN_PAGE}).{misplaced if login else ''}"
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise MaestroQAConfigError(f"{where}: the password holds characters that no API token has. Copy it again.")
    return token


def _options(extra: Mapping[str, Any] | str | None, field_name: str) -> dict[str, Any]:
    """The keys that are not blank. A key without the old prefix takes precedence over one with it."""
    if isinstance(extra, str):
        extra = _json(extra, field_name) if extra.strip() else None
    if extra and not isinstance(extra, Mapping):
        raise MaestroQAConfigError(f'{field_name} must be a JSON object, such as {{"timeout": 120}}.')
    filled = {
        key: value
        for key, value in (extra or {}).items()
        if (value.strip() if isinstance(value, str) else value) not in _BLANK
    }
    old = {key.removeprefix(_OLD_PREFIX): value for key, value in filled.items() if key.startswith(_OLD_PREFIX)}
    return {**old, **{key: value for key, value in filled.items() if not key.startswith(_OLD_PREFIX)}}


def _base_url(where: str, host: str | None, schema: str | None, port: int | str | None, *, allow_http: bool) -> str:
    text = (host or "").strip() or DEFAULT_HOST
    scheme = (schema or "").strip().lower() or "https"
    remedy = f"Give the base URL alone, such as {NEW_HOST} or {DEFAULT_HOST}."
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
    bracketed = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{bracketed}:{number}" if number else f"{parts.scheme}://{bracketed}"


def _is_hostname(text: str) -> bool:
    return bool(text) and all(char.isalnum() or char in "-._:%" for char in text)


def _port(where: str, port: int | str | None) -> int | None:
    return None if port in (None, "", 0) else parse_count(port, f"{where}: the port", minimum=1, maximum=65_535)


def _limits(value: Any, field_name: str) -> Limits:
    value = _json(value, field_name)
    if value is None:
        return DEFAULT_LIMITS
    expected = f'{field_name} must look like {{"normal": [[10, 1], [100, 60]]}} (requests, seconds)'
    if not isinstance(value, Mapping) or not set(value) <= set(DEFAULT_LIMITS):
        raise MaestroQAConfigError(f"{expected}, with the buckets {', '.join(DEFAULT_LIMITS)}.")
    limits = dict(DEFAULT_LIMITS)
    for bucket, windows in value.items():
        if not isinstance(windows, Sequence) or isinstance(windows, str) or not windows:
            raise MaestroQAConfigError(f"{expected}; {bucket} is {windows!r}.")
        limits[bucket] = tuple(_window(window, expected) for window in windows)
    return limits


def _window(window: Any, expected: str) -> tuple[int, float]:
    pair = window if isinstance(window, Sequence) and not isinstance(window, str) else ()
    if len(pair) == 2 and all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in pair):
        requests, seconds = pair
        if requests == int(requests) and requests >= 1 and 0 < seconds < math.inf:
            return int(requests), float(seconds)
    raise MaestroQAConfigError(f"{expected}; got {window!r}.")


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
        f"{field_name} must be above 0 seconds: without a timeout a lost response hangs the task."
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
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise MaestroQAConfigError(f'{field_name} must look like {{"https": "http://proxy:3128"}}.')
    return {name: url if name in _NO_PROXY else _proxy(url.strip(), field_name) for name, url in value.items()}


def _proxy(url: str, field_name: str) -> str:
    if not url:
        return ""  # the direct way, whatever the environment says
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise MaestroQAConfigError(f"{field_name} must be URLs of http or https proxies, got one of {scheme!r}.")
    return url if separator else f"http://{url}"


def _passwords_in(url: str) -> list[str]:
    """The passwords of a URL, as they are written there and as they are meant: before its host, and in its query."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return []
    written = [parts.password] if parts.password else []
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if _SECRET_NAME.search(name):
            written.append(value)
    meant = [unquote(text) for text in written] + [value for name, value in query if _SECRET_NAME.search(name)]
    return [text for text in dict.fromkeys([*written, *meant]) if text]


#: The parsers that the rows of the extra's fields name. Each takes a value and the field's name for error messages.
PARSERS: Mapping[str, Callable[[Any, str], Any]] = {
    "flag": _flag,
    "limits": _limits,
    "proxies": _proxies,
    "text": _text,
    "timeout": _timeout,
    "verify": _verify,
}
