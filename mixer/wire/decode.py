"""
Requests off the wire: bytes to sources of attributes, each decoded as it is asked for.

Law: whatever the bytes, a caller gets a source, an error text or an `RpcError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from google.protobuf.message import DecodeError

from attributes import Source
from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import inbound_pb2 as pb
from mixer.adapter.results import QuotaArgs
from mixer.errors import Code, RpcError
from mixer.wire.delta import State
from mixer.wire.message import Message
from mixer.wire.words import Words

_INDEPENDENT_ENCODING = pb.ReportRequest.INDEPENDENT_ENCODING  # slow to look up


class CheckCall(msgspec.Struct, frozen=True):
    """A Check as the dispatcher sees it."""

    source: Source
    word_count: int
    """Words of the global dictionary that the caller knows."""

    quotas: Mapping[str, QuotaArgs]


class ReportCall(msgspec.Struct, frozen=True):
    """A Report as the dispatcher sees it."""

    count: int
    """Attribute messages."""

    words: Words
    """Those of messages that bring none of their own."""

    sources: Iterator[Source | str]
    """One for each message, in order; a text says why a message can't be used. A source is valid
    until the next is taken."""


def check_request(raw: bytes) -> CheckCall:
    """Read a CheckRequest. Raises RpcError(INTERNAL) where it is malformed."""
    try:
        request = pb.CheckRequest.FromString(raw)
    except DecodeError as error:
        raise _malformed(error) from None
    word_count, attributes = request.global_word_count, request.attributes
    _check_word_count(word_count)
    source = Message(attributes, Words(attributes.words))
    quotas = {}
    if sent := request.quotas:
        call = request.deduplication_id
        for name in sent:  # items() of protobuf are slower
            given = sent[name]
            # Retries are known by call and quota.
            quotas[name] = QuotaArgs(given.amount, given.best_effort, call and call + name)
    return CheckCall(source, word_count, quotas)


def report_request(raw: bytes) -> ReportCall:
    """Read a ReportRequest. Raises RpcError(INTERNAL) where it is malformed."""
    try:
        request = pb.ReportRequest.FromString(raw)
    except DecodeError as error:
        raise _malformed(error) from None
    _check_word_count(request.global_word_count)
    independent = request.repeated_attributes_semantics == _INDEPENDENT_ENCODING
    defaults = Words(request.default_words)
    sources = (_independent if independent else _delta)(request, defaults)
    return ReportCall(len(request.attributes), defaults, sources)


def _malformed(error: DecodeError) -> RpcError:
    return RpcError(Code.INTERNAL, f"grpc: error unmarshalling request: {error}")


def _check_word_count(count: int) -> None:
    if count > len(GLOBAL_WORDS):
        raise RpcError(
            Code.INTERNAL,
            "inconsistent global dictionary versions used: "
            f"mixer knows {len(GLOBAL_WORDS)} words, caller knows {count}",
        )


def _independent(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    for attributes in request.attributes:
        yield Message(attributes, Words(own) if (own := attributes.words) else defaults)


def _delta(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    state: State | None = None
    for attributes in request.attributes:
        words = Words(own) if (own := attributes.words) else defaults
        if state is None:
            state = State(attributes, words)
            yield state
        elif errors := state.update(attributes, words):
            text = ", ".join(errors)
            yield f"request could not be processed due to invalid attributes: {text}"
        else:
            yield state
