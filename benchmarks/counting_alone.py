"""Machines without a common store on one token: what do they get, how evenly, and how often are they refused?

::

    python benchmarks/counting_alone.py      # about a minute of computing, in virtual time

Each machine runs four processes that always have something to send, for two hours, and counts for itself. Compared
are this package, the same without what it learns from 429s (it only pauses), and tenacity's back-off. A request takes
20 to 80 ms to the server and 200 ms in all. A rate of 1 is all that the limits allow; fairness is the least served
machine's share of the best served one's. It counts from when the last machine begins. The figures are means of some
runs, and always the same.
"""

from __future__ import annotations

import argparse
import logging

from results import OURS, Results, add_option
from virtual_time import Acquire, Server, World

from airflow_provider_maestroqa.client.budget import Refusal

LIMITS = [(10, 1.0), (100, 60.0)]
HOURS, PROCESSES, SEEDS = 2, 4, (1, 2, 3)
#: Machines, what is told of them, seconds between their beginnings, and how the server counts.
SCENES = [
    (2, "at once", 0.0, {}),
    (4, "at once", 0.0, {}),
    (8, "at once", 0.0, {}),
    (4, "fixed windows", 0.0, {"fixed": True}),
    (4, "refused requests count", 0.0, {"counts_refused": True}),
    (4, "one after the other, 5 s apart", 5.0, {}),
    (4, "one after the other, 5 minutes apart", 300.0, {}),
]


class Machine:
    """A machine with some processes that always have something to send.

    :param world: where it is.
    :param server: counts all machines' requests.
    """

    def __init__(self, world, server):
        self.world = world
        self.server = server
        self.accepted = self.refused = 0

    def begin(self, after):
        for _ in range(PROCESSES):
            self.world.spawn(self._send_always(), after=after + 0.01 * self.world.chance.random())

    def _request(self):
        """Send a request; return the window that is full, or ``None``."""
        there = 0.02 + 0.06 * self.world.chance.random()
        yield there
        window = self.server.hit(self.world.now)
        self.accepted += window is None
        self.refused += window is not None
        yield 0.2 - there
        return window


class Polite(Machine):
    """With this package's budget."""

    def __init__(self, world, server):
        super().__init__(world, server)
        self.budget = world.machine()

    def _send_always(self):
        while True:
            yield Acquire(self.budget)
            sent = self.world.now
            window = yield from self._request()
            if window is not None:
                self.budget.pause("normal", window, self._learn(window, self.world.now - sent))

    def _learn(self, window, age):
        return Refusal(window, age)


class Pausing(Polite):
    """With this package's budget, which learns nothing from a 429."""

    def _learn(self, *_):
        return None


class BackingOff(Machine):
    """With tenacity's random exponential back-off for each request."""

    def _send_always(self):
        attempts = 0
        while True:
            if (yield from self._request()) is None:
                attempts = 0
                continue
            attempts += 1
            yield self.world.chance.random() * min(LIMITS[-1][1], 0.25 * 2.0**attempts)


#: As tenacity computes it; its own would draw from a chance that is not the world's.
CONTENDERS = [(OURS, Polite), ("pausing alone", Pausing), ("back-off alone (tenacity)", BackingOff)]


def run(kind, machines, apart, seed, *, hours=HOURS, **server):
    """Let machines use a token; return rate, 429s for each accepted request, and fairness."""
    world, counter = World(seed, late=0.005), Server(LIMITS, **server)
    group = [kind(world, counter) for _ in range(machines)]
    for number, machine in enumerate(group):
        machine.begin(number * apart)
    world.run((machines - 1) * apart)
    for machine in group:
        machine.accepted = machine.refused = 0
    world.run(hours * 3600)
    world.close()
    served = [machine.accepted for machine in group]
    return {
        "rate": sum(served) / (hours * 60 * LIMITS[-1][0]),
        "refused_in_1000": 1000 * sum(machine.refused for machine in group) / sum(served),
        "fairness": min(served) / max(served),
    }


def mean(runs):
    return {name: sum(figures[name] for figures in runs) / len(runs) for name in runs[0]}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_option(arguments)
    options, results = arguments.parse_args(), Results("counting_alone")
    logging.disable()
    for machines, scene, apart, server in SCENES:
        for name, kind in CONTENDERS:
            figures = mean([run(kind, machines, apart, seed, **server) for seed in SEEDS])
            case = f"{machines} machines, {scene}"
            print(f"{case:48} {name:28} " + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))
            results.add(case, name, **figures)
    results.write(options.json)


if __name__ == "__main__":
    main()
