"""A day in the life of a token: 1,000 workers, waiting exports and one budget, without sleeping and always the same.

::

    python benchmarks/simulate.py                    # prints the figures, about two minutes
    python benchmarks/simulate.py --draw docs/images/token-day.svg

What decides is the package's own code, in ``virtual_time.py``'s world. Callers wake up to 5 ms late, a request takes
20 to 80 ms to the server and 300 ms in all, and the server counts every request twice, in sliding and fixed windows.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from chart import draw
from results import OURS, Results, add_option
from virtual_time import Acquire, Server, World

LIMITS = [(10, 1), (100, 60)]
MINUTE, HOUR = 60.0, 3600.0


class Token:
    """A world with one token in it, and what its users do."""

    def __init__(self, seed):
        self.world = World(seed, late=0.005)
        self.begin = self.world.now
        self.servers = [Server(LIMITS), Server(LIMITS, fixed=True)]
        self.sent, self.polled = Counter(), Counter()
        self.waits, self.served, self.notices = [], Counter(), []

    @property
    def minute(self):
        return int((self.world.now - self.begin) // MINUTE)

    def request(self, budget, counter, **request):
        """Wait for a slot, send, wait for the answer; returns the seconds waited for the slot."""
        waited = yield Acquire(budget, **request)
        counter[self.minute] += 1
        there = 0.02 + 0.06 * self.world.chance.random()
        yield there
        for server in self.servers:
            server.hit(self.world.now)
        yield 0.3 - there
        return waited

    def always(self, name, until=1e9):
        """A worker that always has something to send."""
        budget = self.world.process()
        while self.world.now < self.begin + until:
            waited = yield from self.request(budget, self.sent)
            self.waits.append((self.world.now - self.begin, waited))
            self.served[name] += 1

    def hourly(self, name, hours):
        """A worker that runs a task every hour, most of them soon after the full hour, of about five requests."""
        budget, chance = self.world.process(), self.world.chance
        for hour in range(hours):
            minute = 5 * chance.random() if chance.random() < 0.7 else 60 * chance.random()
            start = self.begin + hour * HOUR + minute * MINUTE
            if start > self.world.now:
                yield start - self.world.now
            for _ in range(1 + int(chance.expovariate(1 / 4))):
                waited = yield from self.request(budget, self.sent)
                self.waits.append((self.world.now - self.begin, waited))
                self.served[name] += 1

    def export(self, budget, every, takes):
        """An export that is polled until it is complete; then another one begins."""
        while True:
            ready = self.world.now + takes * (0.5 + self.world.chance.random())
            while True:
                yield every
                yield from self.request(budget, self.polled, polling=True)
                if self.world.now >= ready:
                    break
            self.notices.append(self.world.now - ready)

    def per_minute(self, counter, minutes):
        return [counter[minute] for minute in range(minutes)]

    def refused(self):
        sliding, fixed = self.servers
        return {"refused_sliding": sliding.refused, "refused_fixed": fixed.refused}

    def refusals(self):
        sliding, fixed = self.servers
        return f"  429s: {sliding.refused} from sliding, {fixed.refused} from fixed windows"


def part(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def quantiles(values):
    return f"half {part(values, 0.5):.1f} s, 99 of 100 {part(values, 0.99):.0f} s, all {max(values):.0f} s"


def waits_of(values):
    return {"half_s": part(values, 0.5), "all_but_one_in_100_s": part(values, 0.99), "all_s": max(values)}


def a_day(hours, results):
    """1,000 workers with hourly tasks, 50 exports that wait all day in one triggerer."""
    token = Token(seed=1)
    for number in range(1000):
        token.world.spawn(token.hourly(number, hours))
    triggerer = token.world.process()
    for _ in range(50):
        token.world.spawn(token.export(triggerer, 30.0, 600.0), after=30 * token.world.chance.random())
    token.world.run(hours * HOUR)
    sent, polls = sum(token.sent.values()), sum(token.polled.values())
    waits = [waited for _, waited in token.waits]
    print(f"{hours} h, 1,000 workers with an hourly task each, 50 waiting exports")
    print(f"  used {(sent + polls) / (hours * 60 * 100):.3f} of the limit: {sent} requests, {polls} polls")
    print(f"  waited for a slot: {quantiles(waits)}")
    print(f"  an export's end was noticed after: {quantiles(token.notices)}")
    print(token.refusals(), flush=True)
    used = (sent + polls) / (hours * 60 * 100)
    results.add("tasks every hour", OURS, used=used, **waits_of(waits), **token.refused())
    return token


def saturated(hours, results):
    """1,000 workers that always want to send."""
    token = Token(seed=2)
    for number in range(1000):
        token.world.spawn(token.always(number))
    token.world.run(hours * HOUR)
    waits = [waited for at, waited in token.waits if at > HOUR]
    shares = [token.served[number] for number in range(1000)]
    print(f"{hours} h, 1,000 workers that always have something to send")
    used = sum(shares) / (hours * 60 * 100)
    print(f"  used {used:.4f} of the limit, at least {min_hour(token, hours):.4f} in every hour")
    print(f"  waited for a slot: {quantiles(waits)}")
    print(f"  fairness: every worker sent {min(shares)} to {max(shares)} requests")
    print(token.refusals(), flush=True)
    sent = {"sent_least": min(shares), "sent_most": max(shares)}
    results.add("always busy", OURS, used=used, **waits_of(waits), **sent, **token.refused())
    return token


def min_hour(token, hours):
    return min(sum(token.sent[hour * 60 + minute] for minute in range(60)) for hour in range(hours)) / 6000


def push_among_exports(results):
    """1,000 exports wait; after ten minutes eight workers push for half an hour."""
    token = Token(seed=3)
    triggerer = token.world.process()
    for _ in range(1000):
        token.world.spawn(token.export(triggerer, 30.0, 600.0), after=30 * token.world.chance.random())
    token.world.run(10 * MINUTE)
    for number in range(8):
        token.world.spawn(token.always(number, until=40 * MINUTE))
    token.world.run(50 * MINUTE)
    pushed = token.per_minute(token.sent, 60)[11:40]
    polled = token.per_minute(token.polled, 60)
    print("1,000 waiting exports, and a push from minute 10 to 40")
    print(f"  the push had {sum(pushed) / len(pushed):.1f} requests a minute, at least {min(pushed)}")
    print(f"  polls a minute: {sum(polled[1:10]) / 9:.1f} before, {sum(polled[11:40]) / 29:.1f} beside, "
          f"{sum(polled[42:60]) / 18:.1f} after")  # fmt: skip
    print(token.refusals(), flush=True)
    results.add("a push among 1,000 exports", OURS, push_a_minute=sum(pushed) / len(pushed), **token.refused())
    return token


def notices(results):
    """How soon the end of an export is noticed."""
    print("from an export's end until it is noticed, polled every 30 s (half of them, 99 of 100)")
    for exports in (1, 10, 50, 100, 1000):
        row = []
        for push in (0, 8):
            token = Token(seed=4)
            for number in range(push):
                token.world.spawn(token.always(number))
            triggerer = token.world.process()
            for _ in range(exports):
                token.world.spawn(token.export(triggerer, 30.0, 600.0), after=30 * token.world.chance.random())
            token.world.run(12 * HOUR)
            figures = {"half_s": part(token.notices, 0.5), "all_but_one_in_100_s": part(token.notices, 0.99)}
            results.add(f"{exports:,} exports {'beside a push' if push else 'alone'}", OURS, **figures)
            row.append(f"{part(token.notices, 0.5):6.0f} s {part(token.notices, 0.99):6.0f} s")
        print(f"  {exports:5} exports: {row[0]} alone, {row[1]} beside a push", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--draw", type=Path, help="where to draw the picture")
    arguments.add_argument("--hours", type=int, default=24)
    add_option(arguments)
    options, results = arguments.parse_args(), Results("simulate")
    began = time.process_time()
    day = a_day(options.hours, results)
    full = saturated(options.hours, results)
    push = push_among_exports(results)
    notices(results)
    results.write(options.json)
    if options.draw:
        options.draw.write_text(draw(day, full, push, options.hours))
    print(f"{time.process_time() - began:.0f} s of computing")


if __name__ == "__main__":
    main()
