"""Small objects in memory that are replaced by compare and swap, as a storage has them."""

from __future__ import annotations

from itertools import count

from airflow_provider_maestroqa.client.budget.stores.swapping import StoredDocument, SwapLostError
from airflow_provider_maestroqa.storage.base import ABSENT


class SwapMemory:
    """A prefix; it notes when each object was changed, by a clock if it has one."""

    name = "gs://lake/state"

    def __init__(self, clock=None):
        self.objects = {}
        self.changes = []
        self._clock = clock
        self._versions = count(1)

    def read(self, name):
        content, version = self.objects.get(name, (None, ABSENT))
        return StoredDocument(content, version, None)

    def swap(self, name, content, version):
        if self.read(name).version != version:
            raise SwapLostError
        self.objects[name] = (content, str(next(self._versions)))
        self._note(name)
        return self.read(name)

    def delete(self, name):
        self.objects.pop(name, None)
        self._note(name)

    def _note(self, name):
        if self._clock is not None:
            self.changes.append((name, self._clock.monotonic()))
