"""Draw the state diagrams of the page "How it works".

python docs/diagrams.py            # writes docs/images/state-export.svg and state-push.svg
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

from picture import frame, text  # noqa: E402

LINE = 17


@dataclass(frozen=True)
class Box:
    """A state: its position, its name and the lines that describe it.

    :param kind: ``state``, ``good``, ``warn`` or ``bad``.
    """

    x: float
    y: float
    name: str
    about: tuple[str, ...] = ()
    kind: str = "state"
    width: float = 270

    @property
    def height(self) -> float:
        return 16 + LINE * (1 + len(self.about))

    @property
    def top(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height

    def left(self, part: float = 0.5) -> tuple[float, float]:
        return self.x, self.y + self.height * part

    def right(self, part: float = 0.5) -> tuple[float, float]:
        return self.x + self.width, self.y + self.height * part

    def draw(self) -> list[str]:
        shape = f'<rect class="{self.kind} flow-line" x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" '
        middle = self.x + self.width / 2
        return [
            f'{shape}height="{self.height:g}" rx="7"/>',
            text(middle, self.y + 20, self.name, anchor="middle", bold=True),
            *(
                text(middle, self.y + 20 + LINE * place, line, anchor="middle")
                for place, line in enumerate(self.about, start=1)
            ),
        ]


@dataclass
class Diagram:
    """Boxes and the arrows between them."""

    width: float
    height: float
    title: str
    description: str
    parts: list[str] = field(default_factory=list)

    def box(self, *arguments: object, **more: object) -> Box:
        box = Box(*arguments, **more)  # type: ignore[arg-type]
        self.parts += box.draw()
        return box

    def line(self, *points: tuple[float, float]) -> None:
        corners = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="flow-line" points="{corners}" fill="none" stroke-width="1.4"/>')

    def arrow(
        self,
        *points: tuple[float, float],
        says: tuple[str, ...] = (),
        at: tuple[float, float] = (0, 0),
        anchor: str = "start",
    ) -> None:
        """Draw a line through points, with a head at its end and a caption beside it."""
        self.line(*points)
        (before_x, before_y), (x, y) = points[-2:]
        across = abs(x - before_x) > abs(y - before_y)
        step_x = ((x > before_x) - (x < before_x)) * across
        step_y = ((y > before_y) - (y < before_y)) * (not across)
        back_x, back_y = x - 9 * step_x, y - 9 * step_y
        head = [
            (x, y),
            (back_x + 4.5 * step_y, back_y + 4.5 * step_x),
            (back_x - 4.5 * step_y, back_y - 4.5 * step_x),
        ]
        self.parts.append(f'<polygon class="flow" points="{" ".join(f"{a:g},{b:g}" for a, b in head)}"/>')
        self.parts += [
            text(at[0], at[1] + LINE * place, line, anchor=anchor, kind="soft") for place, line in enumerate(says)
        ]

    def svg(self) -> str:
        return frame(self.width, self.height, self.parts, title=self.title, description=self.description)


def export_states() -> str:
    """One export, from the request to the published files."""
    diagram = Diagram(
        1000,
        690,
        "The states of an export",
        "Submitted, waiting, complete, downloaded, checked, stored, published; beside each state how it can end. "
        "The table below the picture has the same content.",
    )
    main, side, wide = 285, 690, 290
    submitted = diagram.box(main, 24, "submitted", ("the export's id is saved for a retry",))
    waiting = diagram.box(main, 134, "waiting", ("requested or in progress at MaestroQA", "poll, pause, poll again"))
    complete = diagram.box(main, 272, "complete", ("MaestroQA signs a download URL",))
    loaded = diagram.box(main, 374, "downloaded", ("to a temporary file without a name",))
    checked = diagram.box(main, 464, "checked", ("the archive as a whole",))
    stored = diagram.box(main, 544, "stored", ("nothing is visible yet",))
    published = diagram.box(main, 624, "published", ("each file in one step, the manifest last",), "good")

    unknown = diagram.box(side, 24, "outcome unknown", ("Airflow retries; there may be two exports",), "warn", wide)
    late = diagram.box(side, 104, "timed out", ("Airflow retries; the export continues",), "warn", wide)
    failed = diagram.box(side, 184, "failed or denied", ("fails for good; request a shorter window",), "bad", wide)
    empty = diagram.box(side, 272, "no data", ("a manifest with has_data false",), "good", wide)
    again = diagram.box(
        side,
        410,
        "not landed",
        ("Airflow retries, or it fails for good;", "readers see the earlier files"),
        "warn",
        wide,
    )

    for before, after in (
        (submitted, waiting),
        (waiting, complete),
        (complete, loaded),
        (loaded, checked),
        (checked, stored),
        (stored, published),
    ):
        diagram.arrow(before.bottom, after.top)
    diagram.arrow(submitted.right(), unknown.left(), says=("response lost",), at=(562, 42))
    bend = 624
    diagram.arrow(
        waiting.right(0.3),
        (bend, waiting.right(0.3)[1]),
        (bend, late.left()[1]),
        late.left(),
        says=("deadline",),
        at=(630, 118),
    )
    diagram.arrow(waiting.right(0.75), (bend, waiting.right(0.75)[1]), (bend, failed.left()[1]), failed.left())
    diagram.parts += [text(562, 222, "errored;", kind="soft"), text(562, 239, "401, 403, 404", kind="soft")]
    diagram.arrow(complete.right(), empty.left(), says=("there is no file",), at=(562, 290))
    line = again.left()[1]
    for box in (loaded, checked, stored):
        diagram.line(box.right(), (bend, box.right()[1]), (bend, line))
    diagram.arrow((bend, line), again.left())
    diagram.arrow(
        waiting.left(0.75),
        (240, waiting.left(0.75)[1]),
        (240, waiting.left(0.25)[1]),
        waiting.left(0.25),
        says=(
            "pause and poll again:",
            "in_progress, unknown status,",
            "5xx, 429, a lost response.",
            "Pauses grow to five minutes",
        ),
        at=(230, 144),
        anchor="end",
    )
    diagram.arrow(
        loaded.left(0.75),
        (240, loaded.left(0.75)[1]),
        (240, loaded.left(0.25)[1]),
        loaded.left(0.25),
        says=("connection drops:", "resume at the same byte.", "URL expires: get a fresh one"),
        at=(230, 384),
        anchor="end",
    )
    return diagram.svg()


def push_states() -> str:
    """One push, from the source to the report."""
    diagram = Diagram(
        1000,
        620,
        "The states of a push",
        "Read, checked, batched, in flight, committed, reported; beside each state how it can end. The table below "
        "the picture has the same content.",
    )
    main, side, wide = 285, 690, 290
    read = diagram.box(main, 24, "read", ("a list, a query, a file, your own code",))
    checked = diagram.box(main, 114, "checked", ("its fields, before a request is spent",))
    batched = diagram.box(main, 204, "batched", ("up to 500 records or 4 MB",))
    flight = diagram.box(main, 304, "in flight", ("comments are marked before sending",))
    committed = diagram.box(main, 430, "committed", ("counted; then the position is saved",))
    report = diagram.box(main, 550, "reported", ("confirmed, rejected, unconfirmed",), "good")

    rejected = diagram.box(
        side, 105, "rejected", ("fails and names it; with collect", "a line at rejects_path"), "bad", wide
    )
    halves = diagram.box(
        side, 214, "bisected", ("until the bad record is alone:", "at most 11 requests"), "warn", wide
    )
    unknown = diagram.box(
        side,
        330,
        "outcome unknown",
        ("comments: fail and name them, resend", "or skip, by on_unknown_outcome"),
        "bad",
        wide,
    )
    short = diagram.box(
        side, 430, "unconfirmed", ("never sent again; fails and names them,", "or counted with collect"), "warn", wide
    )

    for before, after in (
        (read, checked),
        (checked, batched),
        (batched, flight),
        (flight, committed),
        (committed, report),
    ):
        diagram.arrow(before.bottom, after.top)
    diagram.parts.append(text(430, 530, "no record is left", kind="soft"))
    diagram.arrow(checked.right(), rejected.left(), says=("cannot be sent",), at=(562, 132))
    diagram.arrow(
        flight.right(0.3),
        (656, flight.right(0.3)[1]),
        (656, halves.left(0.7)[1]),
        halves.left(0.7),
        says=("rejected as a", "whole"),
        at=(562, 293),
    )
    diagram.arrow(halves.top, rejected.bottom, says=("the bad one",), at=(846, 196))
    diagram.arrow(halves.left(0.3), (batched.right()[0], halves.left(0.3)[1]), says=("the others",), at=(562, 226))
    diagram.arrow(
        flight.right(0.8),
        (656, flight.right(0.8)[1]),
        (656, unknown.left()[1]),
        unknown.left(),
        says=("the response", "is lost"),
        at=(562, 362),
    )
    diagram.arrow(committed.right(), short.left(0.37), says=("fewer confirmed",), at=(562, 444))
    diagram.arrow(
        flight.left(0.75),
        (240, flight.left(0.75)[1]),
        (240, flight.left(0.25)[1]),
        flight.left(0.25),
        says=("429: wait, and send again.", "Lost response, if idempotent:", "send up to five times"),
        at=(230, 314),
        anchor="end",
    )
    diagram.arrow(
        committed.left(),
        (24, committed.left()[1]),
        (24, read.left(0.7)[1]),
        read.left(0.7),
        says=("the next batch",),
        at=(36, 446),
    )
    diagram.parts += [
        text(36, 108, "A retry reads from the start,", kind="soft"),
        text(36, 125, "compares a digest, and resumes", kind="soft"),
        text(36, 142, "after the saved position", kind="soft"),
    ]
    return diagram.svg()


PICTURES = {"state-export.svg": export_states, "state-push.svg": push_states}


def main() -> None:
    for name, draw in PICTURES.items():
        (HERE / "images" / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
