"""Moved to ``client.resources.pagination``."""

from airflow_provider_maestroqa.client.deprecated import moved

_NEW = "airflow_provider_maestroqa.client.resources.pagination"
__getattr__ = moved(__name__, {"Listing": f"{_NEW}.RecordIterator"})
