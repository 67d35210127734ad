"""The URL of the budget's store, where it is kept in an Airflow connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Connection

_SCHEME = "airflow://"
#: Keys of the extra that are passed on to libpq. Others are of Airflow's hook, such as ``cursor``.
_POSTGRES_OPTIONS = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "application_name", "options", "target_session_attrs"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
)


def store_conn_id(store: str | None) -> str | None:
    """Return the id in ``airflow://CONN_ID``; ``None`` for any other store."""
    if store is None or not store.startswith(_SCHEME):
        return None
    conn_id = store.removeprefix(_SCHEME).strip("/")
    if not conn_id:
        raise MaestroQAConfigError("rate_limit_store names no connection. Write it like airflow://my_redis.")
    return conn_id


def missing_connection(conn_id: str, error: Exception) -> MaestroQAError:
    """The error of a connection that could not be read."""
    return MaestroQAConfigError(
        f"rate_limit_store names the connection {conn_id!r}, which cannot be read ({type(error).__name__}). Create "
        "it, or write the store's URL instead."
    )


def store_url(connection: Connection) -> str:
    """Return the URL of the store that a connection describes.

    :param connection: of type ``redis``, ``valkey`` or ``postgres``.
    :raises MaestroQAConfigError: it is of another type, or lacks what it needs.
    """
    kind, where = connection.conn_type, f"Connection {connection.conn_id!r}, which rate_limit_store names,"
    if kind not in _URLS:
        raise MaestroQAConfigError(f"{where} is of type {kind!r}. It must be of type {', '.join(_URLS)}.")
    if not connection.host:
        raise MaestroQAConfigError(f"{where} has no host.")
    return _URLS[kind](connection, connection.extra_dejson, where)


def _redis_url(connection: Connection, extra: Mapping[str, Any], _where: str) -> str:
    options = {name: value for name, value in extra.items() if name.startswith("ssl_") and value is not None}
    scheme = "rediss" if _is_true(extra.get("ssl")) else "redis"
    return _url(scheme, connection, connection.port or 6379, extra.get("db") or 0, options)


def _postgres_url(connection: Connection, extra: Mapping[str, Any], where: str) -> str:
    if _is_true(extra.get("iam")):
        raise MaestroQAConfigError(f"{where} uses IAM tokens, which end too soon. Give it a user with a password.")
    options = {name: extra[name] for name in _POSTGRES_OPTIONS if extra.get(name) is not None}
    return _url("postgresql", connection, connection.port or 5432, connection.schema or "", options)


def _url(scheme: str, connection: Connection, port: int, database: object, options: Mapping[str, object]) -> str:
    login, password = (quote(part or "", safe="") for part in (connection.login, connection.password))
    user = f"{login}:{password}@" if password else f"{login}@" if login else ""
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    # Booleans as both servers' clients read them; libpq would take a + for a plus sign.
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
    query = urlencode(texts, quote_via=quote)
    return f"{scheme}://{user}{host}:{port}/{quote(str(database), safe='')}{'?' if query else ''}{query}"


def _is_true(value: object) -> bool:
    return value is True or str(value).strip().lower() in ("true", "1", "yes")


_URLS: Mapping[str, Callable[[Connection, Mapping[str, Any], str], str]] = {
    "redis": _redis_url,
    "valkey": _redis_url,
    "postgres": _postgres_url,
}
