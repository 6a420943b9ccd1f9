"""Answers onto the wire, and, for clients, attributes."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence

from google.protobuf import duration_pb2, timestamp_pb2

from attributes import Duration, References, Timestamp, Value
from attributes.dictionary import GLOBAL_INDEX
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from mixer.answers import CheckAnswer, HeaderChange, RouteDirective

INT32_MAX = 2**31 - 1
LONGEST_SECONDS = 315_576_000_000.0
"""What a protobuf Duration holds; an adapter may say that its answer holds for ever."""

REPORT_RESPONSE = b""
"""A ReportResponse, which is empty."""


def check_response(answer: CheckAnswer, word_count: int) -> bytes:
    """
    Write a CheckResponse for a caller that knows *word_count* words of the global dictionary.

    Equal answers give equal bytes.
    """
    response = pb.CheckResponse()
    precondition = response.precondition
    given = answer.precondition
    precondition.status.code = given.code
    precondition.status.message = given.message
    _set_seconds(precondition.valid_duration, given.valid_for)
    precondition.valid_use_count = min(given.valid_uses, INT32_MAX)
    _refer(precondition.referenced_attributes, given.references, word_count)
    if given.directive is not None:
        _direct(precondition.route_directive, given.directive)
    for name, quota in answer.quotas.items():
        result = response.quotas[name]
        _set_seconds(result.valid_duration, quota.valid_for)
        result.granted_amount = quota.granted
        _refer(result.referenced_attributes, quota.references, word_count)
        if quota.code:
            result.status.code = quota.code
            result.status.message = quota.message
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
    for (name, key), condition in references.items():
        match = target.attribute_matches.add()
        match.name = table.index(name)
        match.condition = condition.value  # type: ignore[assignment]  # stubs want the enum
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
