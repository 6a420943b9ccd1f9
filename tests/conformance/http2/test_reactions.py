"""The table of cases: what a client sends, and how the server must react."""

from __future__ import annotations

import pytest

from mixer.transport.http2.connection import Connection
from mixer.transport.http2.streams import Event

from . import framing, heads, streams
from .peer import (
    END_STREAM,
    GREETING,
    PREFACE,
    WATCH,
    Answers,
    Case,
    Code,
    Goes,
    Kind,
    Peer,
    ask,
    frame,
    ping,
    settings,
)

CASES = [*framing.CASES, *streams.CASES, *heads.CASES]


GROUPS = {
    "data ": framing.DATA,
    "headers ": framing.HEADERS,
    "priority ": framing.PRIORITY,
    "reset ": framing.RST_STREAM,
    "settings: ": framing.SETTINGS,
    "window update ": framing.WINDOW_UPDATE,
    "continuation: ": framing.CONTINUATION,
    "idle stream: ": streams.IDLE,
    "open stream: ": streams.OPEN,
    "half closed stream: ": streams.HALF_CLOSED,
    "closed stream: ": streams.CLOSED,
    "number of a stream: ": streams.NUMBERS,
}
_PREFIX = {id(case): group for group, cases in GROUPS.items() for case in cases}
TABLE = [
    pytest.param(case, id=f"{case.section}: {_PREFIX.get(id(case), '')}{case.name}")
    for case in CASES
]


@pytest.mark.parametrize("case", TABLE)
def test_the_server_reacts_as_the_standard_says(address: str, case: Case) -> None:
    with Peer(address) as peer:
        if case.before:
            peer.send(case.before)
            peer.until_marked()
        peer.send(case.sent)
        match case.reaction:
            case Goes(codes):
                peer.until_close()
                (fault,) = peer.faults()
                assert fault in [(0, code) for code in codes]
                return
            case Answers(expected):
                for stream in expected:
                    peer.until_end(stream)
                    assert ("grpc-status", "0") in peer.headers[stream]
                peer.until_marked()
                assert peer.faults() == []
            case resets:
                peer.until_marked()
                (fault,) = peer.faults()
                assert fault in [(resets.stream, code) for code in resets.codes]
        # The connection lives, and so does its table of headers.
        peer.send(ask(0x7FFF_FFFD) if max(peer.headers, default=0) < 0x7FFF_FFFD else b"")
        peer.until_marked()
        assert not peer.closed


def is_watch(path: bytes) -> bool:
    return path == WATCH.encode()


def reaction(sent: list[bytes]) -> tuple[list[Event], bytes, bool]:
    """All that follows from bytes that come in pieces, while no call is answered."""
    ours, events = Connection(is_streamed=is_watch), []
    for piece in sent:
        events += ours.receive(piece)
    return [_flat(event) for event in events], ours.output(), ours.closed


def _flat(event: Event) -> Event:
    """An event that is equal to another of the same content."""
    if not hasattr(event, "request"):
        return event
    request = event.request
    return event._replace(request=(request.path, request.headers))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", TABLE)
def test_it_makes_no_difference_in_what_pieces_a_case_comes(case: Case) -> None:
    sent = GREETING + case.before + case.sent
    if len(sent) > 20_000:
        pytest.skip("long, and others like it are tried")
    in_bytes = reaction([sent[at : at + 1] for at in range(len(sent))])
    assert reaction([sent]) == in_bytes
    assert in_bytes[-1] is isinstance(case.reaction, Goes)


@pytest.mark.parametrize(
    "greeting",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\n\n" + settings(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        PREFACE + ask(1),
        PREFACE + ping(),
        PREFACE + settings(flags=1),
        PREFACE + frame(0xEE, 0, 0),
        settings() + ask(1),
    ],
    ids=[
        "a wrong byte", "TLS", "a call first", "a ping first", "an ACK first",
        "an unknown frame first", "no preface",
    ],
)  # fmt: skip
def test_3_4_a_connection_that_begins_otherwise_is_closed(address: str, greeting: bytes) -> None:
    with Peer(address, greeting) as peer:
        peer.until_close()
        assert peer.faults() == [(0, Code.PROTOCOL_ERROR)]


def test_3_4_the_server_begins_with_settings_and_acknowledges_those_of_the_client(
    address: str,
) -> None:
    with Peer(address, PREFACE) as peer:
        first = peer.hear()[0]
        assert (first.kind, first.flags, first.stream) == (Kind.SETTINGS, 0, 0)
        peer.send(settings() + settings((3, 5)))
        peer.until_marked()
        acknowledged = [one for one in peer.frames if one.kind == Kind.SETTINGS and one.flags == 1]
        assert [one.payload for one in acknowledged] == [b"", b""]


def test_6_7_a_ping_comes_back_as_it_was(address: str) -> None:
    with Peer(address) as peer:
        peer.send(ping(b"\0\1\2\3\4\5\6\xff"))
        peer.until_marked()
        pong = next(one for one in peer.frames if one.kind == Kind.PING)
        assert pong == (Kind.PING, 1, 0, b"\0\1\2\3\4\5\6\xff")


def test_8_1_an_answer_is_headers_data_and_trailers_that_end_it(address: str) -> None:
    with Peer(address) as peer:
        peer.send(ask(1, b"\0\0\0\0\5hello"))
        peer.until_end(1)
        said = [(one.kind, one.flags & END_STREAM) for one in peer.frames if one.stream == 1]
        assert said == [(Kind.HEADERS, 0), (Kind.DATA, 0), (Kind.HEADERS, END_STREAM)]
        assert peer.bodies[1] == b"\0\0\0\0\5hello"
