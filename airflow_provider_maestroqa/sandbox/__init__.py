"""A MaestroQA to run on your desk: strict about the documented rules, with faults on request.

It imports nothing of the rest of this package, so that it is an independent witness of what the rest does.
"""

from airflow_provider_maestroqa.sandbox.data.export_files import ExportFile, rows_for_bytes, write_export_file
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS
from airflow_provider_maestroqa.sandbox.request_log import Seen
from airflow_provider_maestroqa.sandbox.server import Sandbox

__all__ = ["REAL_LIMITS", "ExportFile", "Fault", "Sandbox", "Seen", "rows_for_bytes", "write_export_file"]
