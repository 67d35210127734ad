"""What an error says."""

from __future__ import annotations


def error_text(error):
    """All that can be read from an error, and from those that it can be traced to."""
    texts, todo, seen = [], [error], set()
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            texts += [str(one), repr(one), repr(vars(one))]
            todo += [one.__cause__, one.__context__]
    return "\n".join(texts)
