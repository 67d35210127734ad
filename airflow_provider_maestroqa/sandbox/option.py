"""One option of a sandbox: how it is declared, and how it is written on a command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS, Limits
from airflow_provider_maestroqa.sandbox.validation import ATTRIBUTE_TYPES


@dataclass(frozen=True)
class Option:
    """The declaration of an option, besides its name and type.

    :param default: its default in Python.
    :param about: what it does, in reStructuredText.
    :param choices: its values, where there are only a few.
    :param minimum: its smallest value.
    :param flag: how it is written on the command line; by default its name with hyphens; ``None``: not at all.
    :param command_default: its default on the command line, where that is another one.
    :param parse: turns the text on the command line into a value; by default the type of the default.
    :param metavar: what stands for the value in the help.
    :param repeated: whether it may be given several times, each time with one item of a mapping.
    :param public: whether the control endpoint shows it.
    """

    default: Any
    about: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    flag: str | None = ""
    command_default: Any = None
    parse: Callable[[str], Any] | None = None
    metavar: str | None = None
    repeated: bool = False
    public: bool = True

    @property
    def written_default(self) -> str:
        """The default on the command line, as the help and the documentation show it."""
        if self.default is REAL_LIMITS:
            return "real"
        if self.repeated or self.default == ():
            return "none"
        if isinstance(self.default, bool):
            return "off"
        return str(self.default if self.command_default is None else self.command_default)

    def written_flag(self, name: str) -> str:
        """How the option of this name is written on the command line."""
        return self.flag or f"--{name.replace('_', '-')}"

    def add_to(self, parser: argparse.ArgumentParser, name: str) -> None:
        """Add it to a command line."""
        flag = self.written_flag(name)
        about = self.about.replace("`", "")
        if isinstance(self.default, bool):
            parser.add_argument(flag, dest=name, action="store_true", help=about)
            return
        settings: dict[str, Any] = {
            "type": self.parse or type(self.default),
            "help": f"{about} ({self.written_default})",
        }
        if self.choices:
            settings["choices"] = self.choices
        if self.repeated:
            settings["action"] = "append"
        default = self.default if self.command_default is None else self.command_default
        parser.add_argument(flag, dest=name, default=default, metavar=self.metavar, **settings)


def parse_limits(text: str) -> Limits:
    """Parse rate limits on a command line: ``real``, ``none``, or JSON."""
    if text in ("real", "none"):
        return REAL_LIMITS if text == "real" else {}
    try:
        limits: Any = json.loads(text)
        return {bucket: [(float(n), float(window)) for n, window in windows] for bucket, windows in limits.items()}
    except (ValueError, TypeError, AttributeError):
        raise argparse.ArgumentTypeError(f"real, none, or JSON such as {json.dumps(REAL_LIMITS)}") from None


def parse_attribute(text: str) -> tuple[str, str]:
    """Parse a custom attribute on a command line: ``NAME=TYPE``."""
    name, _, value_type = text.rpartition("=")
    if not name or value_type not in ATTRIBUTE_TYPES:
        raise argparse.ArgumentTypeError(f"NAME=TYPE, where the type is one of {', '.join(ATTRIBUTE_TYPES)}")
    return name, value_type


def parse_names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them."""
    return tuple(filter(None, text.split(",")))
