"""Where a worker sits in its server: its number, and the files it has from the front."""

from __future__ import annotations

from dataclasses import astuple, dataclass

VARIABLE = "MIXER_WORKER"
"""The variable of the environment that makes a process a worker."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place; files are descriptors that it inherits."""

    number: int
    """From 0; a worker that replaces another one has its number."""

    of: int
    """How many workers there are."""

    line: int
    door: int
    memory: int

    @classmethod
    def parse(cls, text: str) -> Seat:
        """Read what `str()` gives."""
        return cls(*map(int, text.split(":")))

    def __str__(self) -> str:
        return ":".join(map(str, astuple(self)))
