"""What this process holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_kib() -> int:
    """Memory, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def open_files() -> int:
    """Open files and connections."""
    return len(list(Path("/proc/self/fd").iterdir()))


def cpu_s(pid: int | str = "self") -> float:
    """Seconds of a processor that a process and those it has waited for have used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
