"""
What waits to be sent to a daemon of metrics (statsd, DogStatsD), and how it is put into packets.

Law: of a counter waits one sum, of a gauge the last value, and between two reports no more than
`MOST_WAITING` of all; so nothing grows, however long the daemon is away.
"""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

HOLE = "\0"
"""Stands in a line where its number goes: no name, tag or type of the protocol has it."""

MOST_WAITING = 500
"""More lines are sent at once: some fifty small packets, of which a socket that nobody reads just
then holds 160 with Linux's defaults."""


class Outbox:
    """
    Collects values, and sends them in as few packets as they fit.

    Counters and gauges are told by their line, which has a `HOLE` for the number.

    Lines are put together here and not by the ``statsd`` package, whose pipeline takes two to three
    times as long a value, gives up a batch at the first letter beyond ASCII, waits where a socket
    is full, and hides what it could not send.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        packet_bytes: int,
        later: Callable[[Callable[[], None]], TimerHandle],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """*later* calls what it is given when values have waited long enough."""
        self._most_waiting = most_waiting
        self._send = send
        self._packet_bytes = packet_bytes
        self._later = later
        self._timer: TimerHandle | None = None
        self._counters: dict[str, int] = {}
        self._gauges: dict[str, int] = {}
        self._lines: list[str] = []

    def count(self, line: str, number: int) -> None:
        """Add *number* to the counter of a *line*: what the daemon would do with each number."""
        self._counters[line] = self._counters.get(line, 0) + number

    def gauge(self, line: str, value: int) -> None:
        """Set the gauge of a *line*, of which the daemon shows only the last value."""
        self._gauges[line] = value

    def add(self, lines: Iterable[str]) -> None:
        """Have *lines* sent as they are."""
        self._lines += lines

    def done(self) -> None:
        """Tell that no more comes for now: what waits is sent in time, or now if it is much."""
        if len(self._counters) + len(self._gauges) + len(self._lines) > self._most_waiting:
            self.flush()
        elif self._timer is None:
            self._timer = self._later(self.flush)

    def flush(self) -> None:
        """Send all that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines = self._lines
        lines += [line.replace(HOLE, str(number)) for line, number in self._counters.items()]
        gauges = self._gauges.items()
        lines += [line.replace(HOLE, str(value)) for line, value in gauges if value >= 0]
        packets = list(packed(lines, self._packet_bytes))
        # A sign would change a gauge by so much; so it is set to 0 before, in the same packet.
        below = [(line, value) for line, value in gauges if value < 0]
        packets += [
            _encoded(f"{line.replace(HOLE, '0')}\n{line.replace(HOLE, str(value))}")
            for line, value in below
        ]
        self._counters.clear()
        self._gauges.clear()
        lines.clear()
        for packet in packets:
            self._send(packet)


@dataclass(frozen=True, slots=True)
class Sum:
    """Counts numbers of one line."""

    outbox: Outbox
    line: str

    def __call__(self, numbers: Sequence[int | float]) -> None:
        self.outbox.count(self.line, int(sum(numbers)))
        self.outbox.done()


def packed(lines: Iterable[str], most_bytes: int) -> Iterator[bytes]:
    """*lines* in packets of so many bytes; a line that is longer is a packet of its own."""
    data = _encoded("\n".join(lines))
    start = 0
    # Fast path: looks for an end once a packet, not once a line.
    while len(data) - start > most_bytes:
        end = data.rfind(b"\n", start, start + most_bytes + 1)
        if end < 0 and (end := data.find(b"\n", start)) < 0:
            break
        yield data[start:end]
        start = end + 1
    if start < len(data):
        yield data[start:]


def _encoded(lines: str) -> bytes:
    return lines.encode(errors="replace")  # half a character costs itself, not the packet
