"""Calls off the wire, by every rule of the specification, and whatever the bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration, Source, Timestamp, Value
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from mixer._pb import inbound_pb2 as inbound
from mixer._pb import mixer_pb2 as pb
from mixer.errors import Code, RpcError
from mixer.wire import decode, encode

SHARED = Path(__file__).parents[2].parent / "shared"
HOST = GLOBAL_INDEX["request.host"]
PATH = GLOBAL_INDEX["request.path"]
HEADERS = GLOBAL_INDEX["request.headers"]


def source(**maps: Any) -> Source:
    sent = pb.CheckRequest(attributes=pb.CompressedAttributes(**maps))
    return decode.check_request(sent.SerializeToString()).source


def body(name: str) -> bytes:
    return (SHARED / "bodies" / f"{name}.grpc").read_bytes()[5:]


def told(attribute: dict[str, Any]) -> Value:
    """A value as the shared JSON says it."""
    kind, value = attribute["type"], attribute["value"]
    if kind == "bytes":
        return bytes(value)
    if kind == "timestamp":
        return Timestamp.parse(value)
    if kind == "duration_ns":
        return Duration(value)
    found: Value = value
    return found


@pytest.mark.parametrize("name", ["check", "check-quota", "check-denied", "check-notlisted"])
def test_every_attribute_of_a_real_check_is_read(name: str) -> None:
    told_of = json.loads((SHARED / "bodies" / f"{name}.json").read_text())
    call = decode.check_request(body(name))
    for attribute, value in told_of["attributes"].items():
        assert call.source.get(attribute) == told(value), attribute
    assert call.word_count == 222
    assert {n: (q.amount, q.best_effort, q.deduplication_id) for n, q in call.quotas.items()} == {
        n: (q["amount"], q["best_effort"], told_of["deduplication_id"] + n)
        for n, q in (told_of["quotas"] or {}).items()
    }


def test_a_call_without_an_id_is_no_retry_of_another() -> None:
    sent = pb.CheckRequest()
    sent.quotas["requests"].amount = 3
    assert decode.check_request(sent.SerializeToString()).quotas["requests"].deduplication_id == ""


def test_every_attribute_of_a_real_report_is_read() -> None:
    told_of = json.loads((SHARED / "bodies" / "report-1.json").read_text())
    call = decode.report_request(body("report-1"))
    (sent,) = call.bags().sources
    (bag,) = told_of["bag_attributes_after_reconstruction"]
    assert not isinstance(sent, str)
    for attribute, value in bag.items():
        assert sent.get(attribute) == told(value), attribute


def test_a_delta_of_two_times_changes_nothing_else() -> None:
    call = decode.report_request(body("report-100-delta-same"))
    times = {"request.time", "response.time"}
    seen: list[dict[str, Value | None]] = []
    for sent in call.bags().sources:
        assert not isinstance(sent, str)
        seen.append({word: sent.get(word) for word in GLOBAL_WORDS})
    assert len(seen) == 100
    changed = {word for word in GLOBAL_WORDS if any(bag[word] != seen[0][word] for bag in seen)}
    assert changed == times


def test_both_encodings_of_a_report_give_the_same_bags() -> None:
    independent = decode.report_request(body("report-100-independent"))
    delta = decode.report_request(body("report-100-delta"))
    assert len(independent.sent) == len(delta.sent) == 100
    for one, other in zip(independent.bags().sources, delta.bags().sources, strict=True):
        assert not isinstance(one, str)
        assert not isinstance(other, str)
        for word in GLOBAL_WORDS:
            assert one.get(word) == other.get(word), word


def test_negative_indices_are_the_messages_own_words() -> None:
    assert source(words=["x", "y"], strings={HOST: -2}).get("request.host") == "y"


def test_the_last_of_two_equal_words_names_an_attribute() -> None:
    sent = source(words=["a", "a", "first", "last"], strings={-1: -3, -2: -4})
    assert sent.get("a") == "last"


def test_an_own_word_hides_the_global_one() -> None:
    assert source(words=["request.host", "x"], strings={HOST: -2}).get("request.host") is None
    assert source(words=["request.host", "x"], strings={-1: -2}).get("request.host") == "x"


def test_the_first_type_map_that_has_a_name_wins() -> None:
    sent = source(words=["x"], strings={HOST: -1}, int64s={HOST: 5}, bools={PATH: True})
    sent.attributes.bytes[PATH] = b"later"
    assert sent.get("request.host") == "x"
    assert sent.get("request.path") is True


@pytest.mark.parametrize("index", [222, 10_000, -2, -(2**31)])
def test_an_index_out_of_range_makes_its_attribute_absent(index: int) -> None:
    assert source(words=["x"], strings={HOST: index}).get("request.host") is None
    good = {-1: -1, index: -1}
    broken = source(words=["x"], string_maps={HEADERS: pb.StringMap(entries=good)})
    assert broken.get("request.headers") is None


def test_a_name_out_of_range_is_nobodys() -> None:
    assert source(words=["x"], strings={999: -1, HOST: -1}).get("request.host") == "x"


def test_default_words_are_for_messages_without_words() -> None:
    request = pb.ReportRequest(
        attributes=[
            pb.CompressedAttributes(strings={HOST: -1}),
            pb.CompressedAttributes(words=["own"], strings={HOST: -1, PATH: -2}),
        ],
        default_words=["default", "other"],
        repeated_attributes_semantics="INDEPENDENT_ENCODING",
    )
    first, second = decode.report_request(request.SerializeToString()).bags().sources
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert first.get("request.host") == "default"
    assert (second.get("request.host"), second.get("request.path")) == ("own", None)


def deltas(*messages: pb.CompressedAttributes) -> list[dict[str, Value | None] | str]:
    """What each message of a delta report leaves behind, of three attributes."""
    request = pb.ReportRequest(attributes=messages, default_words=["x", "y", "z"])
    found: list[dict[str, Value | None] | str] = []
    for sent in decode.report_request(request.SerializeToString()).bags().sources:
        if isinstance(sent, str):
            found.append(sent)
        else:
            names = ("request.host", "request.path", "request.headers")
            found.append({name: sent.get(name) for name in names if sent.get(name) is not None})
    return found


def test_a_delta_keeps_what_it_does_not_mention_and_replaces_maps_whole() -> None:
    def headers(entries: dict[int, int]) -> dict[int, pb.StringMap]:
        return {HEADERS: pb.StringMap(entries=entries)}

    assert deltas(
        pb.CompressedAttributes(strings={HOST: -1}, string_maps=headers({-1: -1})),
        pb.CompressedAttributes(strings={PATH: -2}),
        pb.CompressedAttributes(string_maps=headers({-2: -2})),
        pb.CompressedAttributes(strings={HOST: -3}),
    ) == [
        {"request.host": "x", "request.headers": {"x": "x"}},
        {"request.host": "x", "request.path": "y", "request.headers": {"x": "x"}},
        {"request.host": "x", "request.path": "y", "request.headers": {"y": "y"}},
        {"request.host": "z", "request.path": "y", "request.headers": {"y": "y"}},
    ]


def test_a_name_in_two_type_maps_spoils_a_delta_but_not_the_next() -> None:
    assert deltas(
        pb.CompressedAttributes(strings={HOST: -1}),
        pb.CompressedAttributes(strings={PATH: -2}, int64s={PATH: 1}),
        pb.CompressedAttributes(strings={HOST: -3}),
    ) == [
        {"request.host": "x"},
        "request could not be processed due to invalid attributes: "
        "duplicate attribute request.path (type int64)",
        {"request.host": "z", "request.path": "y"},
    ]


def test_an_index_out_of_range_in_a_delta_reads_as_empty_and_is_told() -> None:
    first, second, third = deltas(
        pb.CompressedAttributes(strings={HOST: -1}),
        pb.CompressedAttributes(strings={HOST: 999}),
        pb.CompressedAttributes(strings={PATH: -2}),
    )
    assert first == {"request.host": "x"}
    assert isinstance(second, str)
    assert "999" in second
    assert third == {"request.host": "", "request.path": "y"}


@pytest.mark.parametrize("read", [decode.check_request, decode.report_request])
def test_a_caller_with_more_words_than_we_know_is_refused(read: Any) -> None:
    message = pb.CheckRequest if read is decode.check_request else pb.ReportRequest
    with pytest.raises(RpcError, match="mixer knows 222 words, caller knows 300") as refused:
        read(message(global_word_count=300).SerializeToString())
    assert refused.value.code is Code.INTERNAL


@given(st.binary(max_size=200))
def test_any_bytes_are_a_call_or_an_rpc_error(raw: bytes) -> None:
    try:
        call = decode.check_request(raw)
        report = decode.report_request(raw)
    except RpcError as error:
        assert error.code is Code.INTERNAL
        return
    for word in ("request.host", "", "no such"):
        call.source.get(word)
    for sent in report.bags().sources:
        assert isinstance(sent, str) or sent.get("request.headers") != 0


INDICES = st.integers(-4, 230)
MESSAGES = st.builds(
    pb.CompressedAttributes,
    words=st.lists(st.text(max_size=3), max_size=3),
    strings=st.dictionaries(INDICES, INDICES, max_size=4),
    int64s=st.dictionaries(INDICES, st.integers(-(2**63), 2**63 - 1), max_size=2),
    bools=st.dictionaries(INDICES, st.booleans(), max_size=2),
    string_maps=st.dictionaries(
        INDICES,
        st.builds(pb.StringMap, entries=st.dictionaries(INDICES, INDICES, max_size=3)),
        max_size=2,
    ),
)


@given(st.lists(MESSAGES, max_size=4), st.booleans())
def test_any_report_gives_a_source_or_a_text_for_each_message(
    messages: list[pb.CompressedAttributes], independent: bool
) -> None:
    request = pb.ReportRequest(
        attributes=messages, repeated_attributes_semantics=1 if independent else 0
    )
    call = decode.report_request(request.SerializeToString())
    count = 0
    for sent in call.bags().sources:
        count += 1
        if not isinstance(sent, str):
            for word in (*GLOBAL_WORDS, "x"):
                sent.get(word)
    assert count == len(messages)


VALUES = st.one_of(
    st.text(max_size=8),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=16),
    st.integers(-(2**62), 2**62).map(Duration),
    st.integers(0, 2**62).map(Timestamp),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
NAMES = st.one_of(st.sampled_from(GLOBAL_WORDS), st.text(max_size=8))


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.integers(0, 222))
def test_what_a_client_compresses_is_read_back(bag: dict[str, Value], known: int) -> None:
    request = pb.CheckRequest(attributes=encode.attributes(bag, known), global_word_count=known)
    call = decode.check_request(request.SerializeToString())
    for name, value in bag.items():
        found = call.source.get(name)
        assert (type(found), found) == (type(value), value)


def test_a_name_twice_in_a_delta_is_told_also_where_the_first_message_had_it_so() -> None:
    twice = pb.CompressedAttributes(strings={HOST: 0}, int64s={HOST: 5})
    request = pb.ReportRequest(attributes=[twice, twice])
    first, told = decode.report_request(request.SerializeToString()).bags().sources
    assert first is not told
    assert told == (
        "request could not be processed due to invalid attributes: "
        "duplicate attribute request.host (type int64)"
    )


def broken_headers(**maps: Any) -> bytes:
    """Attributes whose request.headers are bytes that are no map."""
    sent = inbound.CompressedAttributes(string_maps={HEADERS: b"\x0a\x09?"}, **maps)
    return sent.SerializeToString()


def test_a_map_that_is_none_is_absent_and_takes_nothing_else_along() -> None:
    sent = [broken_headers(words=["x"], strings={HOST: -1})]
    raw = inbound.ReportRequest(attributes=sent).SerializeToString()
    (source,) = decode.report_request(raw).bags().sources
    assert not isinstance(source, str)
    assert (source.get("request.headers"), source.get("request.host")) == (None, "x")


def test_a_check_with_a_map_that_is_none_is_malformed() -> None:
    sent = broken_headers()
    with pytest.raises(RpcError, match="error unmarshalling request") as refused:
        decode.check_request(b"\x0a" + bytes([len(sent)]) + sent)
    assert refused.value.code is Code.INTERNAL


def test_a_delta_with_a_map_that_is_none_says_so_and_sets_the_rest() -> None:
    sent = [
        pb.CompressedAttributes(strings={HOST: -1}).SerializeToString(),
        broken_headers(strings={HOST: -2}),
    ]
    request = inbound.ReportRequest(default_words=["x", "y"], attributes=sent)
    first, told = decode.report_request(request.SerializeToString()).bags().sources
    assert isinstance(told, str)
    assert told.startswith(
        "request could not be processed due to invalid attributes: a string map can not be read"
    )
    assert not isinstance(first, str)
    assert (first.get("request.host"), first.get("request.headers")) == ("y", {})


def test_a_delta_that_goes_wrong_keeps_what_those_before_it_have_set() -> None:
    found = deltas(
        pb.CompressedAttributes(strings={HOST: -1}),
        pb.CompressedAttributes(strings={PATH: -2}),
        pb.CompressedAttributes(strings={HOST: -3}, int64s={HOST: 1}),
        pb.CompressedAttributes(strings={PATH: -1}),
    )
    assert found[1] == {"request.host": "x", "request.path": "y"}
    assert isinstance(found[2], str)
    assert found[3] == {"request.host": "z", "request.path": "x"}


@pytest.mark.parametrize("encoding", [0, 1])
@pytest.mark.parametrize("wrong", [b"\x12", b"\x12\x01\x08"], ids=["cut off", "no entry"])
def test_a_malformed_message_refuses_its_report(wrong: bytes, encoding: int) -> None:
    fine = pb.CompressedAttributes(strings={HOST: 0}).SerializeToString()
    request = inbound.ReportRequest(
        attributes=[fine, wrong, fine], repeated_attributes_semantics=encoding
    )
    with pytest.raises(RpcError, match="grpc: error unmarshalling request") as refused:
        list(decode.report_request(request.SerializeToString()).bags().sources)
    assert refused.value.code is Code.INTERNAL
