"""Log entries and spans as OTLP's LogRecord and Span, encoded."""

from __future__ import annotations

import re

from adapters.opentelemetry.encoding import Attributes, fixed, message, text, whole
from mixer.adapter import LogEntry, TraceSpan, Value, ip_text
from mixer.adapter.addresses import NOWHERE
from mixer.adapter.traces import ids_of

_TRACE_ID = re.compile("[0-9a-fA-F]{32}")
_SPAN_ID = re.compile("[0-9a-fA-F]{16}")
_SEVERITIES = {
    "TRACE": 1, "DEBUG": 5, "INFO": 9, "NOTICE": 10, "WARN": 13, "ERR": 17, "CRIT": 18,
    "ALERT": 19, "FATAL": 21, "EMERG": 21,
}  # fmt: skip
_SERVER, _CLIENT = 2, 3
_ERROR = 2


def severity_number(severity: str) -> int:
    """OTLP's number for a *severity* in words, known by how it begins; 0 for others."""
    upper = severity.upper()
    return next((number for word, number in _SEVERITIES.items() if upper.startswith(word)), 0)


def log_record(entry: LogEntry, body: str, observed: int, attributes: Attributes) -> bytes:
    """A LogRecord; *observed* is the time in nanoseconds at which it was handled."""
    variables = entry.variables
    parts = [fixed(1, int(entry.timestamp)), fixed(11, observed)]
    if entry.severity:
        parts += (whole(2, severity_number(entry.severity)), text(3, entry.severity))
    kept = {"log.instance": entry.name, **variables}
    if body in variables:
        parts.append(message(5, attributes.value(variables[body])))
        del kept[body]
    for name, number, pattern in (("trace_id", 9, _TRACE_ID), ("span_id", 10, _SPAN_ID)):
        value = variables.get(name)
        if isinstance(value, str) and pattern.fullmatch(value):
            parts.append(message(number, bytes.fromhex(value)))
            del kept[name]
    parts.append(attributes.of(kept))
    return b"".join(parts)


def span(instance: TraceSpan, probability: float, attributes: Attributes) -> bytes | None:
    """A Span; None for one that is not sampled, or has no valid ids."""
    ids = ids_of(instance, probability)
    if ids is None:
        return None
    found: dict[str, Value] = dict(instance.span_tags)
    if instance.http_status_code > 0:
        found["http.response.status_code"] = instance.http_status_code
    sizes = {
        "http.request.size": instance.request_total_size,
        "http.response.size": instance.response_total_size,
    }
    found |= {key: size for key, size in sizes.items() if size > 0}
    client = instance.client_span
    peers = [
        (instance.source_name, instance.source_ip),
        (instance.destination_name, instance.destination_ip),
    ]
    (own, _), (peer, address) = peers if client else reversed(peers)
    names = {"service.name": own, "peer.service": peer}
    found |= {key: name for key, name in names.items() if name}
    if address not in NOWHERE:
        found["network.peer.address"] = ip_text(address)
    # A server can't help it where a client asks for what is not there.
    failed = instance.http_status_code >= (400 if client else 500)
    return b"".join(
        (
            message(1, bytes.fromhex(ids.trace.rjust(32, "0"))),
            message(2, bytes.fromhex(ids.span)),
            message(4, bytes.fromhex(ids.parent)) if ids.parent else b"",
            text(5, instance.span_name),
            whole(6, _CLIENT if client else _SERVER),
            fixed(7, int(instance.start_time)),
            fixed(8, int(instance.end_time)),
            attributes.of(found),
            message(15, whole(3, _ERROR)) if failed else b"",
        )
    )
