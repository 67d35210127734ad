"""All probes, in the order in which they run and are shown."""

from __future__ import annotations

from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.probes import (
    access,
    coaching,
    columns,
    data_deletion,
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
    *columns.PROBES,
    *coaching.PROBES,
    *tickets.PROBES,
    *data_deletion.PROBES,
    *writes.PROBES,
    *limits.PROBES,
)
