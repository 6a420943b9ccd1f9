"""What goes wrong with an adapter elsewhere; apart from the client, so that it needs no gRPC."""

from __future__ import annotations


class BackendError(Exception):
    """The other adapter could not be reached, or refused."""
