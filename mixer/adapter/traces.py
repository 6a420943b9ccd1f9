"""Ids of spans as tracers want them, and which traces are sampled (spec: adapters, zipkin)."""

from __future__ import annotations

import re
from typing import NamedTuple

from mixer.adapter.templates import TraceSpan

REWRITE = 0x3F6A2EC3C810C2AB
"""What a rewritten span id is combined with."""

_TRACE_ID = re.compile("[0-9a-f]{16}([0-9a-f]{16})?")
_SPAN_ID = re.compile("[0-9a-f]{16}")


class SpanIds(NamedTuple):
    """In small hexadecimal digits: 16 or 32 of the trace, 16 of the others."""

    trace: str
    span: str
    parent: str
    """Empty where there is none."""


def ids_of(instance: TraceSpan, probability: float) -> SpanIds | None:
    """
    The ids of a span; None for one whose ids are not valid, or whose trace is not sampled.

    *probability* is the share of traces that are; 0 samples none. The last 16 digits of the trace's
    id decide, so that all who see a trace decide alike.
    """
    trace, span = instance.trace_id.lower(), instance.span_id.lower()
    if not (_TRACE_ID.fullmatch(trace) and _SPAN_ID.fullmatch(span)):
        return None
    if not sampled(trace, probability):
        return None
    parent = instance.parent_span_id.lower()
    parent = parent if _SPAN_ID.fullmatch(parent) else ""
    if instance.rewrite_client_span_id:
        if instance.client_span:
            span = rewritten(span)
        elif parent:
            parent = rewritten(parent)
    return SpanIds(trace, span, parent)


def sampled(trace_id: str, probability: float) -> bool:
    """Whether a trace is among the share that is sent."""
    return int(trace_id[-16:], 16) < probability * (1 << 64)


def rewritten(span_id: str) -> str:
    """The id of a client's span where client and server have one on the wire."""
    return f"{int(span_id, 16) ^ REWRITE:016x}"
