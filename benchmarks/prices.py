"""What calls to the clouds' storages cost, from their price lists: US dollars for one call, in a region of the US."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """The prices of one service.

    :param service: its name.
    :param source: where the prices are from.
    :param contender: whose calls for each request were measured.
    :param read: dollars for a read.
    :param write: dollars for a write.
    """

    service: str
    source: str
    contender: str
    read: float
    write: float

    def of_a_million(self, reads: float, writes: float) -> float:
        """Return the dollars for a million requests of so many calls each."""
        return 1_000_000 * (reads * self.read + writes * self.write)


PRICES = (
    Prices("Amazon S3 Standard", "public price list", "budget, S3", 0.0004 / 1_000, 0.005 / 1_000),
    Prices("Google Cloud Storage Standard", "public price list", "budget, Google", 0.0004 / 1_000, 0.005 / 1_000),
    Prices(
        "Azure Blob Storage, hot tier", "example prices in its documentation", "budget, Azure",
        0.0044 / 10_000, 0.055 / 10_000,
    ),
)  # fmt: skip
