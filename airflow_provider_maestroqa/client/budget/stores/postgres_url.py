"""What is written in the URL of a PostgreSQL database."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

#: Schemes of a PostgreSQL database; a driver's name may follow, as SQLAlchemy has it.
SCHEMES = ("postgresql", "postgres")


def is_postgres(scheme: str) -> bool:
    """Whether a URL's scheme is PostgreSQL's."""
    return scheme.partition("+")[0] in SCHEMES


def libpq_url(url: str) -> str:
    """Return a URL as libpq reads it: without SQLAlchemy's name of a driver."""
    return f"postgresql://{url.partition('://')[2]}"


def server_name(url: str) -> str:
    """Return what messages call a server: its address without user, password and options.

    :raises MaestroQAConfigError: the URL cannot be read.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = None
    if parts is None or not parts.hostname or not parts.path.strip("/"):
        raise MaestroQAConfigError(
            "rate_limit_store is not a PostgreSQL URL that can be read. It looks like "
            "postgresql://user:password@host:5432/database; in user and password the characters : / ? # [ ] @ % have "
            "to be written as %3A, %2F and so on."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"the PostgreSQL server at postgresql://{host}:{port or 5432}{parts.path}"
