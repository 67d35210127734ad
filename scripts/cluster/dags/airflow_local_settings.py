"""What a worker imports once, because its tasks are forks of it; Airflow looks for a module of this name."""

from __future__ import annotations

import importlib
import os

__all__ = ()

if os.environ.get("CLUSTER_HOST", "").startswith("worker"):
    for _name in (
        "airflow.providers.amazon.aws.hooks.s3",
        "airflow_provider_maestroqa.hooks.maestroqa",
        "airflow_provider_maestroqa.storage.s3_objects",
    ):
        importlib.import_module(_name)
