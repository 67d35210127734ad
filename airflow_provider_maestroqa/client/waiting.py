"""Moved to ``client.resources.export_polling``."""

from airflow_provider_maestroqa.client.deprecated import moved

_NEW = "airflow_provider_maestroqa.client.resources.export_polling"
__getattr__ = moved(
    __name__,
    {"ExportEvent": f"{_NEW}.ExportEvent", "ExportWait": f"{_NEW}.ExportWait", "read_event": f"{_NEW}.read_event"},
)
