"""Everything a data team moves in or out of MaestroQA, as Apache Airflow tasks."""

__version__ = "0.1.0"
