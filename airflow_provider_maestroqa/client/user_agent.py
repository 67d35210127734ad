"""How this package introduces itself to servers."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata

from airflow_provider_maestroqa import __version__

_DISTRIBUTION = "airflow-provider-maestroqa"


@lru_cache(maxsize=1)
def user_agent() -> str:
    """The User-Agent header, with the version that is installed."""
    try:
        version = metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        version = __version__
    return f"{_DISTRIBUTION}/{version}"
