"""A DAG file that cannot be imported."""

from airflow import DAG

raise RuntimeError(f"no {DAG.__name__} to be had here")
