"""What adapters raise for the host to know what to do: try again, spare the back end, or drop."""

from __future__ import annotations

from collections.abc import Sequence

from mixer.adapter.template import Instance


class Unavailable(Exception):
    """
    The back end can't be reached, or does not answer as it should; it may, later.

    Like OSError and TimeoutError it is counted by the breaker, and what was to be done is tried
    again as the handler's `retry` says. Anything else that is raised is taken for final.
    """

    def __init__(self, reason: str, *, after: float = 0.0) -> None:
        """*after* are the seconds for which the back end asked to be left alone."""
        super().__init__(reason)
        self.after = after


class Refused(Exception):
    """The back end answered that it will never do this; trying again is of no use."""


class PartlyRefused(Exception):
    """
    Some of a batch was not taken.

    What may be tried again is told; the rest of what was *lost* never will be taken.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: Sequence[Instance | str] = (),
        lost: int = 0,
        after: float = 0.0,
    ) -> None:
        """*lost* instances are gone; *again* may be taken in *after* seconds or later."""
        super().__init__(reason)
        self.again = again
        self.lost = lost
        self.after = after


PASSING = (Unavailable, OSError)
"""What may be over the next time; a TimeoutError is an OSError."""
