"""Draws the pictures of the page on benchmarks, and writes its tables, from the files in ``benchmarks/results``.

python benchmarks/draw.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picture import frame, text
from prices import PRICES
from results import OURS

HERE = Path(__file__).resolve().parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"
WIDTH, LEFT, PLOT, BAR, GAP = 900, 330, 440, 16, 14
TABLE = re.compile(r"(<!-- results: (\w+) (\w+) -->\n\n)((?:(?!<!--).)*?)(\n*<!-- end -->)", re.DOTALL)

Row = dict[str, Any]
#: What stands over the first two columns of a table, where it is something else than a case and a contender.
HEADS = {"cluster": "Run | What", "cluster_backfill": "Run | What"}


@dataclass(frozen=True)
class Chart:
    """Bars for one figure of a result.

    :param result: the file's name without ``.json``.
    :param figure: which figure is drawn.
    :param title: what it says above the bars.
    :param unit: of the figure, with a space before it.
    :param keep: which rows are drawn.
    """

    result: str
    figure: str
    title: str
    unit: str = ""
    keep: Callable[[Row], bool] = lambda _: True


def _of(*cases: str) -> Callable[[Row], bool]:
    return lambda row: row["case"] in cases


def _begins(*cases: str) -> Callable[[Row], bool]:
    return lambda row: row["case"].startswith(cases)


def _scaled(row: Row) -> bool:
    return not row["case"].endswith(("real limits", "two minutes"))


CHARTS = {
    "bench-imports": Chart(
        "imports",
        "ms",
        "Importing: milliseconds of a processor on top of Airflow",
        " ms",
        _of("a DAG file", "the hook in a task"),
    ),
    "bench-landing-time": Chart(
        "landing", "cpu_s", "Landing 200 MB: seconds of a processor", " s", _begins("200 MB")
    ),
    "bench-landing-memory": Chart(
        "landing", "peak_mb", "Landing 200 MB: peak memory over imports", " MB", _begins("200 MB")
    ),
    "bench-budget-refusals": Chart(
        "budget", "429s", "Sharing a token: requests that were refused with 429", "", _scaled
    ),
    "bench-budget-wait": Chart("budget", "longest_s", "Sharing a token: the longest wait of a caller", " s", _scaled),
    "bench-push-refusals": Chart("push", "refusals", "Pushing: requests that were refused with 429"),
    "bench-push-lost": Chart(
        "push", "lost", "Pushing with faults: good records lost", "", lambda row: "faults" in row["case"]
    ),
    "bench-push-slow": Chart("push_slow", "rate", "Pushing while MaestroQA is slow: share of the ceiling"),
    "bench-records-time": Chart(
        "records", "cpu_s", "Coaching data: seconds of a processor", " s", _begins("list", "export")
    ),
    "bench-records-memory": Chart(
        "records", "peak_mb", "Coaching data: peak memory over imports", " MB", _begins("list", "export")
    ),
    "bench-clean-time": Chart("records", "cpu_s", "Cleaning 25 MB: seconds of a processor", " s", _begins("25 MB")),
}

#: Table → the columns it shows: heading, figure, how it is written.
COLUMNS = {
    "imports": [("ms", "ms", ",.0f"), ("least", "least_ms", ",.0f"), ("most", "most_ms", ",.0f")],
    "landing": [("wall, s", "wall_s", ".2f"), ("CPU, s", "cpu_s", ".2f"), ("peak, MB", "peak_mb", ".0f")],
    "budget": [
        ("rate", "rate", ".3f"),
        ("429s", "429s", ",d"),
        ("fairness", "fairness", ".2f"),
        ("longest wait, s", "longest_s", ".1f"),
        ("calls for each request", "calls", ".1f"),
        ("half of the bookings, ms", "p50_ms", ".1f"),
        ("95 of 100, ms", "p95_ms", ",.0f"),
    ],
    "counting_alone": [
        ("rate", "rate", ".2f"),
        ("429s for 1,000 accepted", "refused_in_1000", ",.0f"),
        ("fairness", "fairness", ".2f"),
    ],
    "waiting": [
        ("KiB each", "kib_each", ".1f"),
        ("CPU, %", "cpu_percent", ".1f"),
        ("loop held up, ms", "lag_ms", ".1f"),
        ("429s", "refused", ",d"),
        ("polls alone", "polls_alone", ".2f"),
        ("push beside", "push", ".2f"),
    ],
    "waiting_busy": [
        ("loop held up, ms", "lag_ms", ".1f"),
        ("of it, no processor free", "lag_queue_ms", ".1f"),
        ("of it, own work", "lag_own_ms", ".1f"),
        ("99 of 100", "lag_99_ms", ".1f"),
        ("own work at most", "own_most_ms", ".1f"),
    ],
    "triggers": [
        ("KiB each", "kib_each", ".1f"),
        ("loop held up, 99 of 100, ms", "loop_held_up_99_ms", ".1f"),
        ("noticed, half, s", "noticed_half_s", ".1f"),
        ("noticed, all, s", "noticed_all_s", ".1f"),
        ("push kept", "push_kept", ".2f"),
    ],
    "triggers_finished": [
        ("CPU of a wait, ms", "cpu_ms_each", ".2f"),
        ("memory, MB", "rss_mb", ".0f"),
        ("objects", "objects", ",d"),
        ("threads", "threads", ",d"),
        ("open files", "files", ",d"),
    ],
    "month": [
        ("days", "days", ".1f"),
        ("memory, MB", "rss_mb", ".1f"),
        ("objects", "objects", ",d"),
        ("open files", "files", ",d"),
        ("sockets", "sockets", ",d"),
        ("threads", "threads", ",d"),
        ("masked texts", "masked", ",d"),
        ("temporary files", "left_files", ",d"),
        ("budget's file, KiB", "store_kib", ".0f"),
        ("its rows", "store_rows", ",d"),
        ("CPU of each, ms", "cpu_ms_each", ".1f"),
    ],
    "task_start": [
        ("interpreter", "interpreter_ms", ",.0f"),
        ("Airflow", "airflow_ms", ",.0f"),
        ("DAG file", "dag_file_ms", ",.0f"),
        ("Airflow until the task", "to_task_ms", ",.0f"),
        ("imports for this package or the peer", "own_imports_ms", ",.0f"),
        ("other providers' imports", "other_imports_ms", ",.0f"),
        ("else until the first request", "to_request_ms", ",.0f"),
        ("until the first byte", "to_first_byte_ms", ",.0f"),
        ("the task, in all", "task_ms", ",.0f"),
    ],
    "simulate": [
        ("used", "used", ".3f"),
        ("half within, s", "half_s", ",.0f"),
        ("99 of 100 within, s", "all_but_one_in_100_s", ",.0f"),
        ("429s", "refused_sliding", ",d"),
    ],
    "push": [
        ("rate", "rate", ".2f"),
        ("429s", "refusals", ",d"),
        ("requests", "requests", ",d"),
        ("lost", "lost", ",d"),
        ("doubled", "doubled", ",d"),
        ("told as not sure", "unsure", ",d"),
    ],
    "soak": [("number", "number", ",.6g")],
    "cluster": [
        ("wanted", "wanted", ",d"),
        ("arrived", "arrived", ",d"),
        ("lost", "lost", ",d"),
        ("doubled", "doubled", ",d"),
        ("unknown at first", "unknown", ",d"),
        ("accepted", "accepted", ",d"),
        ("429s", "refused", ",d"),
        ("time, s", "seconds", ",.0f"),
    ],
    "cluster_backfill": [
        ("wanted", "wanted", ",d"),
        ("arrived", "arrived", ",d"),
        ("lost", "lost", ",d"),
        ("accepted", "accepted", ",d"),
        ("429s", "refused", ",d"),
        ("time, s", "seconds", ",.0f"),
        ("of the limits", "used", ".3f"),
        ("for each", "each", ".1f"),
        ("early, MB", "early_mb", ",.0f"),
        ("at the end, MB", "late_mb", ",.0f"),
    ],
    "push_slow": [("rate", "rate", ".3f"), ("requests", "requests", ",d"), ("429s", "429s", ",d")],
    "push_faults": [
        ("rate", "rate", ".3f"),
        ("requests", "requests", ",d"),
        ("429s", "429s", ",d"),
        ("requests for each rejected", "for_each_rejected", ".2f"),
        ("rejected", "rejected", ",d"),
        ("lost", "lost", ",d"),
    ],
    "push_costs": [("requests for each", "requests", ".2f"), ("records a second", "records_s", ",d")],
    "records": [("wall, s", "wall_s", ".1f"), ("CPU, s", "cpu_s", ".1f"), ("peak, MB", "peak_mb", ".0f")],
}


def load(name: str) -> Row:
    """Read a result."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def draw(chart: Chart) -> str:
    """Return the picture: bars of this package in one colour, of its peers in the other."""
    rows = [row for row in load(chart.result)["rows"] if chart.figure in row["figures"] and chart.keep(row)]
    most = max(row["figures"][chart.figure] for row in rows) or 1
    body, y, case = [text(24, 30, chart.title, bold=True)], 46.0, None
    by_case = len({row["case"] for row in rows}) < len(rows)
    for row in rows:
        if by_case and row["case"] != case:
            case = row["case"]
            y += 22
            body.append(text(24, y - 4, case, kind="soft"))
        value = row["figures"][chart.figure]
        width = PLOT * value / most
        body.append(text(LEFT - 10, y + 13, row["by"] if by_case else _name(row), anchor="end"))
        kind = "ours" if _is_ours(row) else "peer"
        body.append(f'<rect class="{kind}" x="{LEFT}" y="{y:g}" width="{max(width, 1):.1f}" height="{BAR}" rx="2"/>')
        body.append(text(LEFT + width + 8, y + 13, f"{_short(value)}{chart.unit}"))
        y += BAR + (6 if by_case else GAP)
    machine = load(chart.result)["machine"]
    caption = (
        f"{machine['processors']} processors, load {machine['load before']} before and {machine['load after']} after"
    )
    body.append(text(24, y + 26, f"Measured on {caption}", kind="soft"))
    caption = "; ".join(f"{_name(row)}: {_short(row['figures'][chart.figure])}{chart.unit}" for row in rows)
    return frame(WIDTH, y + 42, body, title=chart.title, description=caption)


def table(result: str) -> str:
    """Return all rows of a result as a table."""
    shown = COLUMNS[result]
    lines = [
        f"| {HEADS.get(result, 'Case | By')} | {' | '.join(head for head, _, _ in shown)} |",
        "|---" * (len(shown) + 2) + "|",
    ]
    for row in load(result)["rows"]:
        cells = [_cell(row["figures"].get(figure), form) for _, figure, form in shown]
        if any(cells):
            lines.append(f"| {row['case']} | {row['by']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def pages() -> list[Path]:
    """The pages that show results."""
    return [path for path in sorted(DOCS.glob("*.md")) if TABLE.search(path.read_text(encoding="utf-8"))]


def costs(result: str) -> str:
    """Return what a million requests cost in calls to each storage."""
    lines = [
        "| Storage | Reads and writes for each request | For a million requests | Source of the prices |",
        "|---|---|---|---|",
    ]
    for prices in PRICES:
        [figures] = [
            row["figures"]
            for row in load(result)["rows"]
            if row["by"] == prices.contender and row["case"].endswith("real limits")
        ]
        writes = figures["writes"]
        reads = figures["calls"] - writes
        lines.append(
            f"| {prices.service} | {reads:.1f} and {writes:.1f} | ${prices.of_a_million(reads, writes):.1f} "
            f"| {prices.source} |"
        )
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """Return a page with its tables, and what they were measured on, written anew."""

    def replace(match: re.Match[str]) -> str:
        what, result = match[2], match[3]
        written = {"table": table, "machine": machine, "costs": costs}[what](result)
        return f"{match[1]}{written}\n\n<!-- end -->"

    return TABLE.sub(replace, page)


def machine(result: str) -> str:
    """Say in a sentence by which command and on what a result was measured."""
    at = load(result)
    on = at["machine"]
    return (
        f"`{at['command']}`, on {on['processors']} processors that had other work (load {on['load before']} before, "
        f"{on['load after']} after), Python {on['python']}, Airflow {on['airflow']}."
    )


def _cell(value: object, form: str) -> str:
    if value is None:
        return ""
    return format(int(value), form) if form.endswith("d") else format(value, form)  # type: ignore[call-overload]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _name(row: Row) -> str:
    """A row's name where each case stands alone."""
    return (
        f"{row['by']}, {row['case'].rpartition(', ')[2]}" if row["by"] == OURS and ", " in row["case"] else row["by"]
    )


def _is_ours(row: Row) -> bool:
    return row["by"] == OURS or row["by"].startswith("budget")


def main() -> None:
    """Draw and write all."""
    for name, chart in CHARTS.items():
        (DOCS / "images" / f"{name}.svg").write_text(draw(chart), encoding="utf-8")
    for page in pages():
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
