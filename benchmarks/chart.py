"""Draws what the simulation found, as one SVG without any library."""

from __future__ import annotations

from picture import frame

#: Colours that can be told apart on white and on black.
REQUESTS, POLLS, LIMIT, SLOW = "#4a8ad4", "#e8a33d", "#d4523f", "#9a6cc4"
WIDTH, LEFT, PLOT, HEIGHT, GAP = 900, 70, 800, 170, 80


class Panel:
    """One chart of the picture, drawn into a box of its own."""

    def __init__(self, number, title, width, top, steps, unit):
        self._y = 50 + number * (HEIGHT + GAP)
        self._width, self._top = width, top
        self.parts = [f'<text class="ink" x="{LEFT}" y="{self._y - 14}" font-weight="bold">{title}</text>']
        for step in range(steps + 1):
            value = top * step / steps
            y = self.y(value)
            self.parts.append(f'<line x1="{LEFT}" x2="{LEFT + PLOT}" y1="{y:.1f}" y2="{y:.1f}" class="grid-line"/>')
            self.parts.append(
                f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}{unit}</text>'
            )

    def x(self, value):
        return LEFT + PLOT * value / self._width

    def y(self, value):
        return self._y + HEIGHT * (1 - min(value, self._top) / self._top)

    def area(self, below, values, color):
        """Fill between two rows of values."""
        upper = [below[place] + values[place] for place in range(len(values))]
        steps = [(place + side, upper[place]) for place in range(len(upper)) for side in (0, 1)]
        steps += [(place + side, below[place]) for place in reversed(range(len(below))) for side in (1, 0)]
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in steps)
        self.parts.append(f'<polygon points="{points}" fill="{color}"/>')
        return upper

    def line(self, points, color, *, dashed=False):
        corners = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        style = ' stroke-dasharray="6 4"' if dashed else ""
        self.parts.append(f'<polyline points="{corners}" fill="none" stroke="{color}" stroke-width="1.6"{style}/>')

    def ticks(self, values, unit):
        for value in values:
            x, y = self.x(value[0]), self._y + HEIGHT + 18
            words = f"{value[1]}{unit}"
            self.parts.append(f'<text class="soft" x="{x:.1f}" y="{y}" text-anchor="middle">{words}</text>')

    def legend(self, entries):
        x = LEFT
        for color, text in entries:
            y = self._y + HEIGHT + 30
            self.parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{color}"/>')
            self.parts.append(f'<text class="ink" x="{x + 18}" y="{y + 10}">{text}</text>')
            x += 34 + 7.2 * len(text)


def draw(day, full, push, hours):
    """Return the picture of a day, of a full day, and of a push among waiting exports."""
    panels = [_day(day, hours), _waits(day, full, hours), _push(push)]
    height = 50 + len(panels) * (HEIGHT + GAP)
    body = [part for panel in panels for part in panel.parts]
    return frame(WIDTH, height, body, title="Requests a minute and waiting times of a simulated day")


def _day(day, hours):
    panel = Panel(
        0, "Requests a minute: 1,000 workers with an hourly task each, 50 waiting exports", hours * 12, 125, 5, ""
    )
    sent, polled = (_fives(day.per_minute(counter, hours * 60)) for counter in (day.sent, day.polled))
    panel.area(panel.area([0] * len(sent), sent, REQUESTS), polled, POLLS)
    panel.line([(0, 100), (hours * 12, 100)], LIMIT, dashed=True)
    panel.ticks([(hour * 12, hour) for hour in range(0, hours + 1, max(1, hours // 12))], " h")
    panel.legend([(REQUESTS, "requests"), (POLLS, "polls"), (LIMIT, "the limit: 100 a minute")])
    return panel


def _waits(day, full, hours):
    panel = Panel(1, "Waiting for a slot, 99 of 100 requests within", hours, 800, 4, " s")
    for token, color in ((day, REQUESTS), (full, SLOW)):
        quarters = {}
        for at, waited in token.waits:
            quarters.setdefault(int(at // 900), []).append(waited)
        points = [((quarter + 0.5) / 4, _late(waits)) for quarter, waits in sorted(quarters.items())]
        panel.line([point for point in points if point[0] <= hours], color)
    panel.ticks([(hour, hour) for hour in range(0, hours + 1, max(1, hours // 12))], " h")
    panel.legend([(REQUESTS, "hourly tasks, as above"), (SLOW, "1,000 workers that always have something to send")])
    return panel


def _push(push):
    panel = Panel(2, "Requests a minute: 1,000 waiting exports, and a push from minute 10 to 40", 60, 125, 5, "")
    sent, polled = push.per_minute(push.sent, 60), push.per_minute(push.polled, 60)
    panel.area(panel.area([0] * 60, sent, REQUESTS), polled, POLLS)
    panel.line([(0, 100), (60, 100)], LIMIT, dashed=True)
    panel.ticks([(minute, minute) for minute in range(0, 61, 10)], " min")
    panel.legend([(REQUESTS, "requests of the push"), (POLLS, "polls")])
    return panel


def _fives(minutes):
    return [sum(minutes[place : place + 5]) / 5 for place in range(0, len(minutes), 5)]


def _late(waits):
    waits = sorted(waits)
    return waits[min(len(waits) - 1, int(len(waits) * 0.99))]
