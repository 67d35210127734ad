"""Moved to ``client.resources.coaching_export``."""

from airflow_provider_maestroqa.client.deprecated import moved

_NEW = "airflow_provider_maestroqa.client.resources.coaching_export"
__getattr__ = moved(__name__, {"SessionExport": f"{_NEW}.SessionExport"})
