import pytest


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """A folder for what the DAGs read and land, in the variable that they name."""
    monkeypatch.setenv("AIRFLOW_VAR_LAKE", f"file://{tmp_path}")
    return tmp_path
