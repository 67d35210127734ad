"""The host name of a part of the cluster: all run on one machine, but each as if on one of its own."""

from __future__ import annotations

import os


def name() -> str:
    """Return what Airflow calls the machine."""
    return os.environ["CLUSTER_HOST"]
