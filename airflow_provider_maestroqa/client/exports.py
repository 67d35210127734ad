"""Moved to ``client.resources.exports``."""

from airflow_provider_maestroqa.client.deprecated import moved

_NEW = "airflow_provider_maestroqa.client.resources.exports"
__getattr__ = moved(__name__, {"Export": f"{_NEW}.Export"})
