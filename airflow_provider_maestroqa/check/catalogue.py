"""All probes, in the order in which they run and are shown."""

from __future__ import annotations

from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.probes import (
    access,
    coaching,
    columns,
    data_deletion,
    downloads,
    export_windows,
    exports,
    limits,
    lists,
    scim,
    tickets,
    writes,
)

PROBES: tuple[Probe, ...] = (
    *access.PROBES,
    *lists.PROBES,
    *scim.PROBES,
    *exports.PROBES,
    *downloads.PROBES,
    *columns.PROBES,
    *coaching.PROBES,
    *tickets.PROBES,
    *data_deletion.PROBES,
    *writes.PROBES,
    *limits.PROBES,
    # Last, because they take what requests are left.
    *export_windows.PROBES,
)
