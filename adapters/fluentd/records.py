"""Log entries as fluentd's records, encoded in MessagePack."""

from __future__ import annotations

from typing import Any

import msgspec

from mixer.adapter import Duration, LogEntry, text
from mixer.adapter.records import plain_map

_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_EVENT_TIME = 0
"""The extension type of times with nanoseconds (forward protocol 1, EventTime)."""

_encode = msgspec.msgpack.Encoder().encode


def tagged(entry: LogEntry, masked: frozenset[str], integer_duration: bool) -> tuple[str, bytes]:
    """The tag of an entry, and its time and record, encoded."""
    record: dict[str, Any] = plain_map(entry.variables, masked)
    if integer_duration:
        for key, value in entry.variables.items():
            if value.__class__ is Duration:
                record[key] = value // _MILLISECOND
    tag = entry.name
    if "tag" in record:
        tag = text(entry.variables["tag"])
        del record["tag"]
        record["name"] = entry.name
    record["severity"] = entry.severity
    seconds, nanos = divmod(int(entry.timestamp), _SECOND)
    if not 0 <= seconds < 1 << 32:  # more than the format holds
        seconds = nanos = 0
    time = msgspec.msgpack.Ext(_EVENT_TIME, seconds.to_bytes(4, "big") + nanos.to_bytes(4, "big"))
    return tag, _encode((time, record))
