"""What a descriptor of a rate limit, or a log record, says by name (spec: envoy, mapping)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attributes import Timestamp, Value
from mixer.server.envoy.identities import address
from mixer.server.envoy.source import DERIVED, SEEN, EnvoySource, Read, reads

REMOTE_ADDRESS = "remote_address"
"""The key of an entry with the address of the caller, whatever the proxy's configuration."""


class Described(EnvoySource):
    """One descriptor or record: its entries are given by name."""

    __slots__ = ("entries", "named", "received")
    named: Mapping[str, Value]

    def __init__(
        self,
        entries: Mapping[str, str],
        named: Mapping[str, Value],
        reporter: str,
        received: Timestamp,
    ) -> None:
        """*received* is the time of it."""
        super().__init__(reporter)
        self.named = named
        self.entries = entries
        self.received = received

    def metadata(self, of: str) -> Mapping[str, Any]:
        return {}


_DERIVED: Mapping[str, Read] = {
    **DERIVED,
    **{name: SEEN[name] for name in ("origin.ip", "request.url_path", "request.query_params")},
    "source.ip": lambda described: address(described.entries.get(REMOTE_ADDRESS, "")),
    "request.time": lambda described: described.received,
    "context.time": lambda described: described.received,
    "context.timestamp": lambda described: described.received,
}
Described.reads = reads({}, _DERIVED)
