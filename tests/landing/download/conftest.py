import pytest


@pytest.fixture
def landed(land, memory):
    """Land the origin's file as csv and return the published bytes."""

    def run(**changed):
        land(memory, file_format="csv", **changed)
        return memory.get_bytes("export.csv")

    return run
