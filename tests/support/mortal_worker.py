"""A worker that may be killed, or given up while it runs, at anything that it does; for the random histories."""

from __future__ import annotations

import itertools


class KilledError(BaseException):
    """The worker is gone: it does nothing more, not even clean up."""


class Worker:
    """A process that may be killed, or be given up while it runs, at one of the things that it does.

    :param at: at which.
    :param is_after: whether it has done it by then.
    :param happens: what happens there; the worker goes on when it returns.
    """

    def __init__(self, at, is_after, happens):
        self.at, self.is_after, self.happens = at, is_after, happens
        self.counter = itertools.count(1)
        self.is_dead = False

    def do(self, what):
        if self.is_dead:
            raise KilledError
        is_now = next(self.counter) == self.at
        if is_now and not self.is_after:
            self.happens(self)
        result = what()
        if is_now and self.is_after:
            self.happens(self)
        return result


class Watched:
    """Something outside the worker, such as a store: each call of its methods is one thing that the worker does."""

    def __init__(self, inner, worker):
        self._inner, self._worker = inner, worker

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if not callable(found):
            return Watched(found, self._worker) if name == "store" else found
        if name == "uri":
            return found

        def call(*args, **kwargs):
            result = self._worker.do(lambda: found(*args, **kwargs))
            return Watched(result, self._worker) if name == "begin" else result

        return call
