"""What one peer may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection."""

    body_bytes: int = (1 << 20) + 5
    """Of one request."""

    held_bytes: int = 64 << 20
    """Of all requests that are not whole, and of all parts that nobody took yet; one may be."""

    concurrent_streams: int = 1024
    header_list_bytes: int = 64 * 1024
    stream_window: int = 1 << 20
    connection_window: int = 16 << 20
    nuisances: int = 1000
    """
    Frames that do nothing for a request, or undo one, more than requests that were answered, and
    than were forgiven.
    """
