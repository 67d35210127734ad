"""Which library inflates and deflates."""

import sys

from airflow_provider_maestroqa.storage.compression import best_engine, zlib_engine


def test_both_engines_are_available():
    assert best_engine().name in {"isal", "zlib"}
    assert zlib_engine().name == "zlib"


def test_without_isal_python_s_own_engine_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    assert best_engine().name == "zlib"
