"""The memory of this process, as Linux counts it.

``getrusage`` is no good for peaks: a process that was forked begins with the peak of its parent.
"""

from __future__ import annotations

from pathlib import Path


def memory(field: str) -> int:
    """Kilobytes: ``VmHWM`` is the peak, ``VmRSS`` what there is now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


def reset_peak() -> int:
    """Forget the peak so far; the memory now is what later peaks are compared with."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return memory("VmHWM")
    return memory("VmRSS")
