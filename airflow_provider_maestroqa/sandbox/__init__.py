"""A local MaestroQA for development and tests.

It imports nothing of the rest of this package, so that it is an independent witness of what the rest does.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.sandbox.data.export_files import ExportFile, rows_for_bytes, write_export_file
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.profiles import profile_options
from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS
from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest
from airflow_provider_maestroqa.sandbox.server import Sandbox

__all__ = [
    "REAL_LIMITS",
    "ExportFile",
    "Fault",
    "LoggedRequest",
    "Sandbox",
    "profile_options",
    "rows_for_bytes",
    "write_export_file",
]

if TYPE_CHECKING:
    Seen = LoggedRequest
else:

    def __getattr__(name: str) -> Any:
        if name != "Seen":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn("Seen is now called LoggedRequest.", DeprecationWarning, stacklevel=2)
        return LoggedRequest
