"""Everything a data team moves in or out of MaestroQA, as Apache Airflow tasks.

PYTEST_DONT_REWRITE: pytest loads this package's plugin, and would warn where the package was imported before.
"""

__version__ = "0.1.0"
