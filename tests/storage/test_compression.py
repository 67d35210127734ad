"""Which library inflates and deflates."""

import sys


def test_both_engines_can_be_had():
    from airflow_provider_maestroqa.storage.compression import best_engine, zlib_engine

    assert best_engine().name in {"isal", "zlib"}
    assert zlib_engine().name == "zlib"


def test_without_isal_python_s_own_engine_is_used(monkeypatch):
    from airflow_provider_maestroqa.storage.compression import best_engine

    monkeypatch.setitem(sys.modules, "isal", None)
    assert best_engine().name == "zlib"
