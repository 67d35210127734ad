"""Small objects in memory that are replaced by compare and swap, as a storage has them."""

from __future__ import annotations

from itertools import count

from airflow_provider_maestroqa.client.budget.stores.swapping import StoredDocument, SwapLostError
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError
from airflow_provider_maestroqa.storage.base import ABSENT

#: The object of the log that tests call "log".
LOG = "maestroqa_budget_log.json"


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


class FaultyMemory:
    """An object storage in memory, in virtual time, with the faults that a test asks for."""

    name = "s3://lake/budget"

    def __init__(self, fake_time, takes=0.0):
        self.time = fake_time
        self.takes = takes
        self.objects = {}
        self.writes = 0
        self.fails = []
        self.ignores_conditions = False
        self.ahead_s = 0.0

    def read(self, name):
        self._pass()
        content, version = self.objects.get(name, (None, ""))
        return StoredDocument(content, version, self._date())

    def swap(self, name, content, version):
        self._pass()
        if not self.ignores_conditions and self.objects.get(name, (None, ""))[1] != version:
            raise SwapLostError
        self.writes += 1
        self.objects[name] = (content, str(self.writes))
        if self.fails and self.fails.pop(0):
            raise MaestroQAConnectionError("The answer was lost.", retryable=True)
        return StoredDocument(content, str(self.writes), self._date())

    def delete(self, name):
        self.objects.pop(name, None)

    def _pass(self):
        self.time.pass_by(self.takes)

    def _date(self):
        return float(int(self.time.wall + self.ahead_s))
