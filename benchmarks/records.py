"""What records cost on their way out, all in one run: lists, the coaching export, and cleaned files.

    python benchmarks/records.py           # a million to-dos, 300 MB of sessions, files of 50 and 500 MB
    python benchmarks/records.py --quick   # a twentieth of it, one run each

Ratios against a plain script of requests and json.loads, and against pandas. See ``records_reading.py`` and
``records_clean.py``, which can be run alone, for what is measured. Needs pandas and pyarrow.
"""

from __future__ import annotations

import argparse

import records_clean
import records_reading
from results import Results, add_option


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little data, one run each")
    add_option(parser)
    options, figures = parser.parse_args(), Results("records")
    quick = options.quick
    records_reading.compare(50_000 if quick else 1_000_000, 15 if quick else 300, figures)
    results = records_clean.compare([5, 25] if quick else [50, 500], repeats=1 if quick else 3)
    records_clean.print_tables(results)
    if not quick:
        records_clean.judge(results)
    records_clean.write_down(results, figures)
    figures.write(options.json)


if __name__ == "__main__":
    main()
