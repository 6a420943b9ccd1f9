"""Answers onto the wire."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from attributes import Reads, Reference, Seen
from attributes.dictionary import GLOBAL_INDEX
from mixer._pb import mixer_pb2 as pb
from mixer.answers import (
    CheckAnswer,
    HeaderChange,
    HeaderVerb,
    Precondition,
    QuotaAnswer,
    RouteDirective,
)
from mixer.wire import encode

NOBODY = Precondition(0, "", 60, 10_000, Seen())
REFERENCES = Seen(
    others={
        ("source.ip", None): Reference.EXACT,
        ("request.headers", "x-own"): Reference.ABSENCE,
        ("own.name", "x-own"): Reference.EXACT,
    }
)


def written(answer: CheckAnswer, known: int = 222) -> pb.CheckResponse:
    return pb.CheckResponse.FromString(encode.CheckResponses().write(answer, known))


def matches(sent: pb.ReferencedAttributes) -> list[tuple[int, int, int]]:
    return [(match.name, match.condition, match.map_key) for match in sent.attribute_matches]


def test_references_use_global_words_and_then_their_own() -> None:
    answer = CheckAnswer(Precondition(0, "", 60, 10_000, REFERENCES))
    sent = written(answer).precondition.referenced_attributes
    assert list(sent.words) == ["own.name", "x-own"]
    headers = GLOBAL_INDEX["request.headers"]
    assert matches(sent) == [(-1, 2, -2), (headers, 1, -2), (0, 2, 0)]


def test_a_caller_that_knows_no_words_gets_them_all() -> None:
    answer = CheckAnswer(Precondition(0, "", 60, 10_000, REFERENCES))
    sent = written(answer, known=0).precondition.referenced_attributes
    assert list(sent.words) == ["own.name", "x-own", "request.headers", "source.ip"]
    assert matches(sent) == [(-1, 2, -2), (-3, 1, -2), (-4, 2, 0)]


def test_the_precondition_is_always_there() -> None:
    sent = written(CheckAnswer(Precondition(0, "", 60, 10_000, Seen())))
    assert sent.HasField("precondition")
    assert (sent.precondition.valid_duration.seconds, sent.precondition.valid_use_count) == (
        60,
        10_000,
    )


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (0, (0, 0)),
        (1.5, (1, 500_000_000)),
        (-0.25, (0, -250_000_000)),
        (-1.5, (-1, -500_000_000)),
        (float("inf"), (315_576_000_000, 0)),
    ],
)
def test_seconds_become_a_duration_whose_parts_share_a_sign(
    seconds: float, parts: tuple[int, int]
) -> None:
    sent = written(CheckAnswer(Precondition(0, "", seconds, 1, Seen()))).precondition.valid_duration
    assert (sent.seconds, sent.nanos) == parts


def test_a_use_count_over_32_bits_is_the_largest_there_is() -> None:
    sent = written(CheckAnswer(Precondition(0, "", 1, 10**12, Seen())))
    assert sent.precondition.valid_use_count == 2**31 - 1


def test_a_directive_is_told_whole() -> None:
    directive = RouteDirective(
        (HeaderChange("a", "1", HeaderVerb.APPEND),),
        (HeaderChange("b", "", HeaderVerb.REMOVE), HeaderChange("c", "3", HeaderVerb.REPLACE)),
        302,
        "moved",
    )
    sent = written(CheckAnswer(Precondition(7, "no", 5, 1, Seen(), directive))).precondition
    assert (sent.status.code, sent.status.message) == (7, "no")
    route = sent.route_directive
    assert [(o.name, o.value, o.operation) for o in route.request_header_operations] == [
        ("a", "1", 2)
    ]
    assert [(o.name, o.value, o.operation) for o in route.response_header_operations] == [
        ("b", "", 1),
        ("c", "3", 0),
    ]
    assert (route.direct_response_code, route.direct_response_body) == (302, "moved")


def test_quotas_are_told_and_equal_answers_are_equal_bytes() -> None:
    quotas = {
        name: QuotaAnswer(
            number, 1.0, Seen(others={("source.ip", None): Reference.EXACT}), 8, "h:none left"
        )
        for number, name in enumerate(("a", "b", "c"))
    }
    precondition = Precondition(0, "", 60, 10_000, Seen())
    backwards = dict(reversed(list(quotas.items())))
    one = encode.CheckResponses().write(CheckAnswer(precondition, quotas), 222)
    assert one == encode.CheckResponses().write(CheckAnswer(precondition, backwards), 222)
    sent = pb.CheckResponse.FromString(one).quotas["b"]
    assert (sent.granted_amount, sent.valid_duration.seconds) == (1, 1)
    assert (sent.status.code, sent.status.message) == (8, "h:none left")
    assert len(sent.referenced_attributes.attribute_matches) == 1


def test_what_is_equal_in_two_answers_is_written_once_and_nothing_else_is() -> None:
    responses, reads = encode.CheckResponses(), Reads([("source.ip", None), ("a", "b")])

    def write(seen: int, granted: int = 1, known: int = 222, **given: Any) -> bytes:
        precondition = Precondition(**{**CALM, **given}, seen=Seen(((reads, seen),)))
        quotas = {"q": QuotaAnswer(granted, 1.0, Seen(((reads, seen),)))}
        return responses.write(CheckAnswer(precondition, quotas), known)

    plain = write(0b01)
    assert write(0b01) == plain
    others = [
        write(0b10), write(0b1001), write(0b01, granted=2), write(0b01, known=0),
        write(0b01, code=7), write(0b01, message="m"), write(0b01, valid_for=2.0),
        write(0b01, valid_uses=2),
    ]  # fmt: skip
    assert len({plain, *others}) == 1 + len(others)
    again = encode.CheckResponses()
    assert [plain, *others] == [write(*args) for args in [(0b01,), (0b10,), (0b1001,)]] + others[2:]
    assert again.write(CheckAnswer(Precondition(**CALM, seen=Seen(((reads, 1),)))), 222) in plain


CALM: dict[str, Any] = {"code": 0, "message": "", "valid_for": 60.0, "valid_uses": 10_000}


def test_what_a_caller_makes_long_is_not_kept() -> None:
    responses = encode.CheckResponses()
    tracemalloc.start()
    for number in range(100):
        message = f"{number:>100000}"
        responses.write(CheckAnswer(Precondition(7, message, 5, 1, Seen())), 222)
        responses.write(CheckAnswer(NOBODY, {message: QuotaAnswer(1, 1.0, Seen())}), 222)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000_000
