"""Everything at once on one token, with faults and kills, and then the proof that every promise was kept.

::

    python benchmarks/soak                              # an hour, with a seed of its own
    python benchmarks/soak --minutes 2 --seed 4711      # again what a seed has found

Exports, landings, pushes of every kind and waits run in several processes against a sandbox, in which answers get
lost, late, cut short or refused, while workers and triggerers are killed, or stopped for a while and given up. Tasks
are tried again with what they have saved, as Airflow would. In the end the sandbox's own record is compared with what
the tasks have said. The exit code is 1 where a promise is broken; then all that is left is in the folder it names.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
#: The processes that are started import from the same places.
PLACES = [str(BENCHMARKS), str(BENCHMARKS.parent / "tests" / "support"), str(BENCHMARKS.parent)]
if __name__ == "__main__":
    sys.path[:1] = PLACES
    os.environ["PYTHONPATH"] = os.pathsep.join([*PLACES, os.environ.get("PYTHONPATH", "")])

    from results import add_option

    from soak.soak import soak

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=60.0, help="how long new tasks begin (60)")
    arguments.add_argument("--seed", type=int, default=random.randrange(1, 10**6), help="decides what happens")
    add_option(arguments)
    options = arguments.parse_args()
    sys.exit(soak(options.minutes * 60, options.seed, options.json))
