"""Answers onto the wire, and, for clients, attributes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableSequence, Sequence

from google.protobuf import duration_pb2, timestamp_pb2

from attributes import Duration, References, Timestamp, Value
from attributes.dictionary import GLOBAL_INDEX
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from mixer.answers import (
    CheckAnswer,
    HeaderChange,
    Precondition,
    QuotaAnswer,
    RouteDirective,
)

INT32_MAX = 2**31 - 1
LONGEST_SECONDS = 315_576_000_000.0
"""What a protobuf Duration holds; an adapter may say that its answer holds for ever."""

MAX_KNOWN = 4096
"""So many parts of answers are kept; texts of denials could make them endless."""

LONGEST_KNOWN = 8192
"""Bytes of a part that is kept; a caller can make some as long as a request."""

REPORT_RESPONSE = b""
"""A ReportResponse, which is empty."""


class CheckResponses:
    """Writes CheckResponses; what is equal in many of them is written once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, bytes] = {}

    def write(self, answer: CheckAnswer, word_count: int) -> bytes:
        """
        Write *answer* for a caller that knows *word_count* words of the global dictionary.

        Equal answers give equal bytes.
        """
        # Fields of a message may be written one by one (protobuf's encoding: "Merging").
        raw = self._precondition(answer.precondition, word_count)
        if answer.quotas:
            for name in sorted(answer.quotas):
                raw += self._quota(name, answer.quotas[name], word_count)
        return raw

    def _precondition(self, given: Precondition, word_count: int) -> bytes:
        if given.directive is not None or (seen := given.seen.key) is None:
            return _precondition(given, word_count)
        key = (seen, given.code, given.message, given.valid_for, given.valid_uses, word_count)
        return self._known.get(key) or self._know(key, _precondition(given, word_count))

    def _quota(self, name: str, given: QuotaAnswer, word_count: int) -> bytes:
        if given.message or (seen := given.seen.key) is None:
            return _quota(name, given, word_count)
        key = (seen, name, given.granted, given.valid_for, given.code, word_count)
        return self._known.get(key) or self._know(key, _quota(name, given, word_count))

    def _know(self, key: Hashable, raw: bytes) -> bytes:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        if len(raw) <= LONGEST_KNOWN:
            self._known[key] = raw
        return raw


def _precondition(given: Precondition, word_count: int) -> bytes:
    response = pb.CheckResponse()
    precondition = response.precondition
    precondition.status.code = given.code
    precondition.status.message = given.message
    _set_seconds(precondition.valid_duration, given.valid_for)
    precondition.valid_use_count = min(given.valid_uses, INT32_MAX)
    _refer(precondition.referenced_attributes, given.seen.references, word_count)
    if given.directive is not None:
        _direct(precondition.route_directive, given.directive)
    return response.SerializeToString(deterministic=True)


def _quota(name: str, given: QuotaAnswer, word_count: int) -> bytes:
    response = pb.CheckResponse()
    result = response.quotas[name]
    _set_seconds(result.valid_duration, given.valid_for)
    result.granted_amount = given.granted
    _refer(result.referenced_attributes, given.seen.references, word_count)
    if given.code:
        result.status.code = given.code
        result.status.message = given.message
    return response.SerializeToString(deterministic=True)


class WordTable:
    """Gives words indices: global ones below *known*, the others into a list of its own."""

    def __init__(self, known: int) -> None:
        self._known = known
        self._own: dict[str, int] = {}

    def index(self, word: str) -> int:
        """The index to send for *word*."""
        shared = GLOBAL_INDEX.get(word, self._known)
        if shared < self._known:
            return shared
        return self._own.setdefault(word, -1 - len(self._own))

    @property
    def words(self) -> list[str]:
        """The words of its own, in order of first use."""
        return list(self._own)


def _refer(target: pb.ReferencedAttributes, references: References, word_count: int) -> None:
    table = WordTable(word_count)
    for name, key in sorted(references, key=lambda read: (read[0], read[1] or "")):
        match = target.attribute_matches.add()
        match.name = table.index(name)
        match.condition = references[name, key].value  # type: ignore[assignment]  # stubs want the enum
        if key is not None:
            match.map_key = table.index(key)
    target.words.extend(table.words)


def _direct(target: pb.RouteDirective, directive: RouteDirective) -> None:
    target.SetInParent()
    _change(target.request_header_operations, directive.request_headers)
    _change(target.response_header_operations, directive.response_headers)
    target.direct_response_code = directive.direct_code
    target.direct_response_body = directive.direct_body


def _change(target: MutableSequence[pb.HeaderOperation], changes: Sequence[HeaderChange]) -> None:
    target.extend(
        pb.HeaderOperation(name=change.name, value=change.value, operation=int(change.verb))  # type: ignore[arg-type]
        for change in changes
    )


def _set_seconds(target: duration_pb2.Duration, seconds: float) -> None:
    _set_nanos(target, round(min(seconds, LONGEST_SECONDS) * NANOS))


def _set_nanos(target: duration_pb2.Duration | timestamp_pb2.Timestamp, nanos: int) -> None:
    """Split *nanos* as the target's type wants: a duration's parts share a sign."""
    seconds, rest = divmod(nanos, NANOS)
    if rest and seconds < 0 and target.DESCRIPTOR.name == "Duration":
        seconds, rest = seconds + 1, rest - NANOS
    target.seconds, target.nanos = seconds, rest
    target.SetInParent()


def attributes(values: Mapping[str, Value], word_count: int = 0) -> pb.CompressedAttributes:
    """
    Compress *values* as a client does that knows *word_count* words of the global dictionary.

    Names go in order; each value into the type map of its Python type (see `attributes.Value`).
    """
    table = WordTable(word_count)
    sent = pb.CompressedAttributes()
    for name in sorted(values):
        index, value = table.index(name), values[name]
        match value:
            case str():
                sent.strings[index] = table.index(value)
            case bool():
                sent.bools[index] = value
            case Timestamp():
                _set_nanos(sent.timestamps[index], value)
            case Duration():
                _set_nanos(sent.durations[index], value)
            case int():
                sent.int64s[index] = value
            case float():
                sent.doubles[index] = value
            case bytes():
                sent.bytes[index] = value
            case _:
                entries = sent.string_maps[index].entries
                for key in sorted(value):
                    entries[table.index(key)] = table.index(value[key])
                sent.string_maps[index].SetInParent()
    sent.words.extend(table.words)
    return sent
