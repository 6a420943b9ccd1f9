"""
Requests off the wire: bytes to sources of attributes, each decoded as it is asked for.

Law: whatever the bytes, a caller gets a source, an error text or an `RpcError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from google.protobuf.message import DecodeError

from attributes import Source
from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import CheckRequest
from mixer.adapter.results import QuotaArgs
from mixer.errors import Code, RpcError
from mixer.wire.delta import Row, row, updated
from mixer.wire.message import Message
from mixer.wire.words import Words

_INDEPENDENT_ENCODING = pb.ReportRequest.INDEPENDENT_ENCODING  # slow to look up


class CheckCall(msgspec.Struct, frozen=True):
    """A Check as the dispatcher sees it."""

    source: Source
    word_count: int
    """Words of the global dictionary that the caller knows."""

    quotas: Mapping[str, QuotaArgs]


class Bags(msgspec.Struct, frozen=True):
    """The messages of a Report as the dispatcher sees them."""

    words: Words
    """Those of messages that bring none of their own."""

    row: Row | None
    """What follows on each other, where nothing is wrong with any of them."""

    sources: Iterable[Source | str]
    """One for each message, in order; a text says why a message can't be used. A source is valid
    until the next is taken."""

    alone: Source | None = None
    """The only one."""


class ReportCall(msgspec.Struct, frozen=True):
    """A Report whose messages were not looked at yet."""

    raw: bytes
    sent: Sequence[bytes]
    """The messages in it."""

    words: Sequence[str]
    """Those of messages that bring none of their own."""

    are_independent: bool

    def bags(self) -> Bags:
        """Begin to read the messages. Raises RpcError(INTERNAL) where any is malformed."""
        sent, words = self.sent, Words(self.words)
        try:
            if len(sent) == 1:
                alone = _message(pb.CompressedAttributes.FromString(sent[0]), words)
                return Bags(words, None, (alone,), alone)
            if not self.are_independent and (merged := row(sent, words)) is not None:
                return Bags(words, merged, merged)
            # All of them before any is used: of a malformed Report nothing is left behind.
            messages = pb.Report.FromString(self.raw).attributes
        except DecodeError as error:
            raise _malformed(error) from None
        if not self.are_independent:
            return Bags(words, None, updated(messages, words))
        return Bags(words, None, [_message(one, words) for one in messages])


def check_request(raw: bytes) -> CheckCall:
    """Read a CheckRequest. Raises RpcError(INTERNAL) where it is malformed."""
    try:
        request = CheckRequest.FromString(raw)
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
    """Read a ReportRequest, but for its messages. Raises RpcError(INTERNAL) if it is malformed."""
    try:
        request = pb.ReportRequest.FromString(raw)
    except DecodeError as error:
        raise _malformed(error) from None
    _check_word_count(request.global_word_count)
    independent = request.repeated_attributes_semantics == _INDEPENDENT_ENCODING
    return ReportCall(raw, request.attributes[:], request.default_words, independent)


def _message(attributes: pb.CompressedAttributes, defaults: Words) -> Message:
    return Message(attributes, Words(own) if (own := attributes.words) else defaults)


def _malformed(error: DecodeError) -> RpcError:
    return RpcError(Code.INTERNAL, f"grpc: error unmarshalling request: {error}")


def _check_word_count(count: int) -> None:
    if count > len(GLOBAL_WORDS):
        raise RpcError(
            Code.INTERNAL,
            "inconsistent global dictionary versions used: "
            f"mixer knows {len(GLOBAL_WORDS)} words, caller knows {count}",
        )
