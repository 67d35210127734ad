"""A frame and a palette for the pictures of the documentation: SVG by hand, the same bytes each time.

A picture follows the reader's system. It brings its own background, so it can be read on a page of either theme.
"""

from __future__ import annotations

from html import escape

#: Class → light and dark colour. A class that ends in ``-line`` is a stroke, every other one a fill.
PALETTE = {
    "paper": ("#ffffff", "#1b1f24"),
    "ink": ("#24292f", "#dde3ea"),
    "soft": ("#57606a", "#9aa5b1"),
    "grid-line": ("#d8dee4", "#39424d"),
    "flow-line": ("#57606a", "#9aa5b1"),
    "flow": ("#57606a", "#9aa5b1"),
    "ours": ("#2f6fb3", "#5b9be0"),
    "peer": ("#a9b4c0", "#6b7683"),
    "state": ("#e3eefb", "#1d3a5c"),
    "good": ("#dff3e4", "#1c4a2c"),
    "warn": ("#fdf0d5", "#55411a"),
    "bad": ("#fbe1de", "#5b2420"),
}


def frame(width: float, height: float, body: list[str], *, title: str, description: str = "") -> str:
    """Return a whole SVG.

    :param title: what the picture shows, for those who cannot see it.
    :param description: the same at length.
    """
    style = "".join(_rule(name, light) for name, (light, _) in PALETTE.items())
    dark = "".join(_rule(name, dark) for name, (_, dark) in PALETTE.items())
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font}>',
        f"<title>{escape(title)}</title>",
        *([f"<desc>{escape(description)}</desc>"] if description else ()),
        f"<style>{style}@media (prefers-color-scheme: dark) {{{dark}}}</style>",
        f'<rect class="paper" width="{width:g}" height="{height:g}" rx="8"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "ink", bold: bool = False) -> str:
    """Return one line of text."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _rule(name: str, color: str) -> str:
    return f".{name}{{{'stroke' if name.endswith('-line') else 'fill'}:{color}}}"
