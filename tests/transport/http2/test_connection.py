"""A connection against an independent client, h2, and against peers that break the rules."""

from __future__ import annotations

import tracemalloc
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer.transport.http2 import frames
from mixer.transport.http2.compression import encode
from mixer.transport.http2.connection import Connection
from mixer.transport.http2.frames import PREFACE, Block, Reason, Setting, frame
from mixer.transport.http2.limits import Limits
from mixer.transport.http2.streams import (
    Cancelled,
    Opened,
    Received,
    TooLarge,
)

HEAD = Block(encode(((b":status", b"200"), (b"content-type", b"application/grpc"))))
END = Block(encode(((b"grpc-status", b"0"),)))
ASKED = [
    (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"),
    ("content-type", "application/grpc"), ("te", "trailers"),
]  # fmt: skip
BLOCK = encode(tuple((name.encode(), value.encode()) for name, value in ASKED))
GREETING = PREFACE + frames.settings([])


class Peer:
    """A client of h2 that talks to a connection of ours."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.ours = Connection(limits)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.seen: list[Any] = []
        self.events: list[Any] = []
        self.pump()

    def pump(self) -> None:
        """Carry bytes both ways until nobody says anything."""
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.events += self.ours.receive(sent)
            answered = self.ours.output()
            if answered:
                self.seen += self.client.receive_data(answered)
            if not sent and not answered:
                return

    def ask(self, body: bytes = b"", headers: Any = ASKED) -> int:
        """Send a request; its stream."""
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, headers)
        sent = 0
        while sent < len(body):
            room = min(self.client.local_flow_control_window(stream), 16_384, len(body) - sent)
            assert room > 0
            self.client.send_data(stream, body[sent : sent + room])
            sent += room
            self.pump()
        self.client.end_stream(stream)
        self.pump()
        return stream

    def answer(self, stream: int) -> tuple[bytes, list[Any]]:
        """The body and the trailers that the client got."""
        body = b"".join(
            event.data
            for event in self.seen
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )
        trailers = [
            event.headers
            for event in self.seen
            if isinstance(event, h2.events.TrailersReceived) and event.stream_id == stream
        ]
        return body, trailers


def test_a_request_is_received_and_answered() -> None:
    peer = Peer()
    stream = peer.ask(b"hello")
    (event,) = peer.events
    assert isinstance(event, Received)
    assert (event.stream, event.body) == (stream, b"hello")
    assert (event.request.method, event.request.path) == (b"POST", b"/a.B/C")
    peer.ours.respond(stream, HEAD, b"world", END)
    peer.pump()
    assert peer.answer(stream) == (b"world", [[(b"grpc-status", b"0")]])
    assert peer.ours.is_idle


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=4), st.integers(0, 100_000))
def test_bodies_of_any_size_come_whole_both_ways(sizes: list[int], window: int) -> None:
    peer = Peer()
    peer.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
    peer.pump()
    streams = [peer.ask(bytes([at]) * size) for at, size in enumerate(sizes)]
    bodies = [event.body for event in peer.events if isinstance(event, Received)]
    assert [len(body) for body in bodies] == sizes
    for stream, body in zip(streams, bodies, strict=True):
        peer.ours.respond(stream, HEAD, body, END)
    peer.pump()
    for _ in range(1000):
        if peer.ours.is_idle:
            break
        for event in peer.seen:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                peer.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                event.flow_controlled_length = 0
        peer.client.increment_flow_control_window(50_000)
        for stream in streams:
            try:
                peer.client.increment_flow_control_window(50_000, stream)
            except Exception:
                continue
        peer.pump()
    for stream, body in zip(streams, bodies, strict=True):
        assert peer.answer(stream)[0] == body


def test_a_cancelled_request_is_said_and_not_answered() -> None:
    peer = Peer()
    stream = peer.ask(b"x")
    peer.client.reset_stream(stream)
    peer.pump()
    assert peer.events[-1] == Cancelled(stream)
    peer.ours.respond(stream, HEAD, b"late", END)
    assert peer.ours.output() == b""


def test_a_request_that_was_told_is_kept_by_nobody() -> None:
    ours = Connection()
    asked = frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
    body = frame(frames.DATA, frames.END_STREAM, 1, b"x" * 10_000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        ours.receive(GREETING + asked + body)
        ours.respond(1, HEAD, b"", END)
        ours.output()
        assert tracemalloc.get_traced_memory()[0] - before < 8000
    finally:
        tracemalloc.stop()


def test_a_body_too_large_is_said_and_not_kept() -> None:
    peer = Peer(Limits(body_bytes=100))
    stream = peer.ask(b"x" * 5000)
    (event,) = peer.events
    assert isinstance(event, TooLarge)
    peer.ours.begin(stream, HEAD)
    peer.ours.finish(stream, END)
    peer.pump()
    assert peer.ours.is_idle


def test_a_body_too_large_in_one_frame_is_said_the_second_time_too() -> None:
    ours = Connection(Limits(body_bytes=100))
    ours.receive(GREETING)
    for stream in (1, 3):
        (event,) = ours.receive(headers(stream, 4) + frame(frames.DATA, 1, stream, b"x" * 101))
        assert isinstance(event, TooLarge)


def test_what_is_used_of_the_connection_is_granted_again() -> None:
    ours = Connection(Limits(connection_window=100_000))
    ours.receive(GREETING)
    ours.output()
    for stream in range(1, 201, 4):
        ours.receive(headers(stream, 4) + frame(frames.DATA, 1, stream, bytes(500)))
        ours.receive(headers(stream + 2, 4) + frame(frames.DATA, 0, stream + 2, bytes(500)))
    assert ours.output() == frames.window_update(0, 50_000)


def test_a_request_is_streamed_each_time_it_comes() -> None:
    ours = Connection(is_streamed=lambda path: path == b"/a.B/C")
    ours.receive(GREETING)
    opened = [ours.receive(headers(stream, 4)) for stream in (1, 3, 5)]
    assert [type(event) for (event,) in opened] == [Opened] * 3
    whole = block((":method", "POST"), (":scheme", "http"), (":path", "/whole"))
    assert ours.receive(headers(7, 4, whole)) == []
    (event,) = ours.receive(frame(frames.DATA, 1, 7, b"x"))
    assert isinstance(event, Received)


def test_a_body_is_checked_however_its_headers_came() -> None:
    """The shortest way from headers to a call is the same for a block that changes the table."""
    ours = Connection(Limits(body_bytes=100))
    ours.receive(GREETING)
    for stream in range(1, 9, 2):
        numbered = block(("x-request-id", str(stream))).replace(b"\0", b"\x40", 1)
        said = BLOCK + block(("content-length", "5")) + numbered
        (event,) = ours.receive(headers(stream, 4, said) + frame(frames.DATA, 1, stream, b"right"))
        assert isinstance(event, Received)
    ours.output()
    ours.receive(headers(9, 4, said) + frame(frames.DATA, 1, 9, b"wrong!"))
    assert frames.reset(9, Reason.PROTOCOL_ERROR) in ours.output()


def test_parts_that_were_used_are_held_no_longer() -> None:
    ours = Connection(Limits(held_bytes=100, body_bytes=100), is_streamed=lambda path: True)
    ours.receive(GREETING + headers(1, 4))
    for _ in range(5):
        ours.receive(frame(frames.DATA, 0, 1, bytes(90)))
        ours.used(1, 90)
    assert frames.reset(1, Reason.ENHANCE_YOUR_CALM) not in ours.output()
    ours.receive(frame(frames.DATA, 0, 1, bytes(90)) * 2)
    assert frames.reset(1, Reason.ENHANCE_YOUR_CALM) in ours.output()


def test_trailers_that_do_not_fit_into_a_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit into a frame"):
        Block(b"x" * 16_385)


def test_a_settings_frame_moves_the_windows_once_however_often_it_says_one() -> None:
    peer = Peer()
    stream = peer.ask(b"x")
    both = [(Setting.INITIAL_WINDOW_SIZE, size) for size in (2**31 - 1, 0, 3)]
    peer.ours.receive(frames.settings(both))
    peer.ours.output()
    peer.ours.respond(stream, HEAD, b"hello", END)
    assert frame(frames.DATA, 0, stream, b"hel") in peer.ours.output()


def test_a_request_ends_with_an_answer_that_waited_for_its_window() -> None:
    ours = Connection(is_streamed=lambda path: True)
    ours.receive(PREFACE + frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))
    ours.receive(headers(flags=4))
    ours.begin(1, HEAD)
    ours.send(1, b"body")
    ours.finish(1, END)
    assert frames.reset(1, Reason.NO_ERROR) not in ours.output()
    ours.receive(frames.window_update(1, 4))
    assert ours.output().endswith(frames.reset(1, Reason.NO_ERROR))
    assert ours.receive(frame(frames.DATA, 1, 1, b"late")) == []
    assert ours.output() == b""


def test_an_answer_that_waits_for_its_window_is_not_given_twice() -> None:
    ours = Connection()
    ours.receive(PREFACE + frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]) + headers())
    ours.respond(1, HEAD, b"once", END)
    ours.output()
    ours.respond(1, HEAD, b"", END)
    ours.send(1, b"more")
    ours.finish(1, END)
    assert ours.output() == b""
    ours.receive(frames.window_update(1, 4))
    assert ours.output() == frame(frames.DATA, 0, 1, b"once") + frame(1, 5, 1, END.block)
    assert ours.is_idle


def test_nuisances_can_be_forgiven() -> None:
    ours = Connection(Limits(nuisances=10))
    ours.receive(GREETING)
    for _ in range(5):
        ours.receive(frame(frames.PING, 0, 0, b"12345678") * 10)
        ours.forgive(10)
    assert not ours.closed
    ours.receive(frame(frames.PING, 0, 0, b"12345678") * 11)
    assert ours.closed


def test_to_cut_streams_is_no_nuisance_of_the_peer() -> None:
    ours = Connection(Limits(nuisances=0))
    ours.receive(GREETING + headers(1, 4) + headers(3, 4))
    assert ours.cut(1, Reason.CANCEL) == ours.cut(3, Reason.CANCEL) == []
    assert ours.output().endswith(frames.reset(1, Reason.CANCEL) + frames.reset(3, Reason.CANCEL))
    assert not ours.closed


def test_what_waits_for_its_own_window_does_not_stop_others() -> None:
    ours = Connection()
    ours.receive(PREFACE + frames.settings([(Setting.INITIAL_WINDOW_SIZE, 0)]))
    ours.receive(headers(1) + headers(3) + frames.window_update(3, 5))
    ours.output()
    ours.respond(1, HEAD, b"first", END)
    ours.respond(3, HEAD, b"other", END)
    assert frame(frames.DATA, 0, 3, b"other") in ours.output()
    assert ours.stalled == {1}


def test_bodies_that_are_not_whole_have_a_bound_together() -> None:
    ours = Connection(Limits(held_bytes=100, body_bytes=100))
    ours.receive(GREETING + headers(1, 4) + frame(frames.DATA, 0, 1, b"x" * 60))
    ours.receive(headers(3, 4) + frame(frames.DATA, 0, 3, b"x" * 60))
    assert frames.reset(3, Reason.ENHANCE_YOUR_CALM) in ours.output()
    (event,) = ours.receive(frame(frames.DATA, 1, 1, b"x" * 40))
    assert isinstance(event, Received)
    assert len(event.body) == 100
    ours.receive(headers(5, 4) + frame(frames.DATA, 0, 5, b"x" * 100))
    assert ours.output() == b""


def test_what_was_sent_before_the_peer_heard_of_a_reset_is_passed_over() -> None:
    ours = Connection()
    ours.receive(GREETING + headers(1, 4) + headers(1, 4))
    assert ours.output().endswith(frames.reset(1, Reason.PROTOCOL_ERROR))
    ours.receive(frame(frames.DATA, 0, 1, b"x") + headers(1, 5))
    assert ours.output() == b""
    assert not ours.closed


def test_a_ping_is_answered() -> None:
    peer = Peer()
    peer.client.ping(b"12345678")
    peer.pump()
    assert any(isinstance(event, h2.events.PingAckReceived) for event in peer.seen)


def test_a_drain_takes_what_was_sent_before_the_peer_heard_of_it_and_refuses_the_rest() -> None:
    peer = Peer()
    stream = peer.ask(b"x")
    peer.ours.drain()
    before = peer.ours.receive(frame(frames.HEADERS, 0x5, stream + 2, BLOCK))
    assert [event.stream for event in before] == [stream + 2]
    asked = peer.ours.output()
    ping = asked[asked.rindex(frame(frames.PING, 0, 0, bytes(8))[:9]) :]
    assert peer.ours.receive(frame(frames.PING, frames.ACK, 0, ping[9:])) == []
    assert frames.go_away(stream + 2, Reason.NO_ERROR) in peer.ours.output()
    assert peer.ours.receive(frame(frames.HEADERS, 0x5, stream + 4, BLOCK)) == []
    assert frames.reset(stream + 4, Reason.REFUSED_STREAM) in peer.ours.output()
    for open_stream in (stream, stream + 2):
        assert not peer.ours.is_drained
        peer.ours.respond(open_stream, HEAD, b"y", END)
    assert peer.ours.is_drained


def test_a_second_drain_does_not_wait_for_the_peer() -> None:
    peer = Peer()
    peer.ours.drain()
    peer.ours.drain()
    assert peer.ours.is_drained


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=20))
def test_bytes_may_come_in_any_pieces(cuts: list[int]) -> None:
    data = GREETING + frame(frames.HEADERS, 4, 1, BLOCK) + frame(frames.DATA, 1, 1, b"body")
    ours, events, at = Connection(), [], 0
    for cut in cuts:
        events += ours.receive(data[at : at + cut])
        at += cut
    events += ours.receive(data[at:])
    assert [event.body for event in events if isinstance(event, Received)] == [b"body"]


def block(*headers: tuple[str, str]) -> bytes:
    return encode(tuple((name.encode(), value.encode()) for name, value in headers))


def headers(stream: int = 1, flags: int = 5, data: bytes = BLOCK) -> bytes:
    return frame(frames.HEADERS, flags, stream, data)


OPEN = headers(flags=4)
GOES = "GOAWAY"
CASES = [
    ("another protocol", b"GET / HTTP/1.1\r\n\r\n", GOES, Reason.PROTOCOL_ERROR),
    ("no settings first", PREFACE + headers(), GOES, Reason.PROTOCOL_ERROR),
    ("a frame too long", b"\1\0\0\0\0\0\0\0\1", GOES, Reason.FRAME_SIZE_ERROR),
    ("data on stream 0", frame(0, 0, 0, b"x"), GOES, Reason.PROTOCOL_ERROR),
    ("data on an idle stream", frame(0, 0, 1, b"x"), GOES, Reason.PROTOCOL_ERROR),
    ("data after the end", headers() + frame(0, 0, 1, b"x"), 1, Reason.STREAM_CLOSED),
    ("padding as long as the frame", OPEN + frame(0, 8, 1, b"\5abcd"), GOES,
     Reason.PROTOCOL_ERROR),
    ("headers on stream 0", headers(0), GOES, Reason.PROTOCOL_ERROR),
    ("headers on a server's stream", headers(2), GOES, Reason.PROTOCOL_ERROR),
    ("headers on a lower stream", headers(5) + headers(3), GOES, Reason.PROTOCOL_ERROR),
    ("headers after the end", headers() + headers(), GOES, Reason.STREAM_CLOSED),
    ("trailers that do not end", OPEN + headers(flags=4), 1, Reason.PROTOCOL_ERROR),
    ("trailers with a pseudo-header", OPEN + headers(), 1, Reason.PROTOCOL_ERROR),
    ("another frame in a block", headers(flags=1) + frame(6, 0, 0, b"8" * 8), GOES,
     Reason.PROTOCOL_ERROR),
    ("another stream's continuation", headers(flags=1) + frame(9, 4, 3, b""), GOES,
     Reason.PROTOCOL_ERROR),
    ("a continuation of nothing", frame(9, 4, 1, b""), GOES, Reason.PROTOCOL_ERROR),
    ("an endless block", headers(flags=1) + frame(9, 0, 1, b"x") * 70, GOES,
     Reason.ENHANCE_YOUR_CALM),
    ("a malformed block", headers(data=b"\xff\xff\xff\xff\xff\xff\xff"), GOES,
     Reason.COMPRESSION_ERROR),
    ("an index that is not there", headers(data=b"\xfe"), GOES, Reason.COMPRESSION_ERROR),
    ("a table too large", headers(data=b"\x3f\xe2\x1f" + BLOCK), GOES, Reason.COMPRESSION_ERROR),
    ("a list too large", headers(data=BLOCK + block(("a", "x" * 9000)) + b"\xbe" * 0), None, None),
    ("an upper-case name", headers(data=BLOCK + block(("A", "b"))), 1, Reason.PROTOCOL_ERROR),
    ("an empty name", headers(data=BLOCK + block(("", "b"))), 1, Reason.PROTOCOL_ERROR),
    ("a line break in a value", headers(data=BLOCK + block(("a", "b\r\nc"))), 1,
     Reason.PROTOCOL_ERROR),
    ("connection", headers(data=BLOCK + block(("connection", "close"))), 1, Reason.PROTOCOL_ERROR),
    ("te that is not trailers", headers(data=BLOCK + block(("te", "gzip"))), 1,
     Reason.PROTOCOL_ERROR),
    ("a pseudo-header after others", headers(data=block(("a", "b")) + BLOCK), 1,
     Reason.PROTOCOL_ERROR),
    ("a pseudo-header twice", headers(data=block((":path", "/x")) + BLOCK), 1,
     Reason.PROTOCOL_ERROR),
    ("an unknown pseudo-header", headers(data=block((":x", "y")) + BLOCK), 1,
     Reason.PROTOCOL_ERROR),
    ("no path", headers(data=block((":method", "POST"), (":scheme", "http"))), 1,
     Reason.PROTOCOL_ERROR),
    ("an empty path", headers(data=block((":method", "A"), (":scheme", "b"), (":path", ""))), 1,
     Reason.PROTOCOL_ERROR),
    ("a wrong content-length", headers(flags=4, data=BLOCK + block(("content-length", "5")))
     + frame(0, 1, 1, b"four"), 1, Reason.PROTOCOL_ERROR),
    ("a content-length that is no number",
     headers(data=BLOCK + block(("content-length", "-1"))), 1, Reason.PROTOCOL_ERROR),
    ("a stream that depends on itself", headers(flags=0x25, data=b"\0\0\0\1\0" + BLOCK), GOES,
     Reason.PROTOCOL_ERROR),
    ("priority on itself", frame(2, 0, 1, b"\0\0\0\1\0"), GOES, Reason.PROTOCOL_ERROR),
    ("priority of a wrong length", frame(2, 0, 1, b"\0"), GOES, Reason.FRAME_SIZE_ERROR),
    ("priority on stream 0", frame(2, 0, 0, b"\0" * 5), GOES, Reason.PROTOCOL_ERROR),
    ("a reset of an idle stream", frame(3, 0, 1, b"\0" * 4), GOES, Reason.PROTOCOL_ERROR),
    ("a reset of a wrong length", OPEN + frame(3, 0, 1, b"\0"), GOES, Reason.FRAME_SIZE_ERROR),
    ("settings on a stream", frame(4, 0, 1), GOES, Reason.PROTOCOL_ERROR),
    ("settings of a wrong length", frame(4, 0, 0, b"\0"), GOES, Reason.FRAME_SIZE_ERROR),
    ("an ACK with a payload", frame(4, 1, 0, b"\0" * 6), GOES, Reason.FRAME_SIZE_ERROR),
    ("push that is neither", frames.settings([(Setting.ENABLE_PUSH, 2)]), GOES,
     Reason.PROTOCOL_ERROR),
    ("a window that is too large", frames.settings([(Setting.INITIAL_WINDOW_SIZE, 1 << 31)]), GOES,
     Reason.FLOW_CONTROL_ERROR),
    ("a frame size that is too small", frames.settings([(Setting.MAX_FRAME_SIZE, 100)]), GOES,
     Reason.PROTOCOL_ERROR),
    ("an unknown setting", frame(4, 0, 0, b"\xff\xff\0\0\0\1"), None, None),
    ("a push", frame(5, 4, 1, b"\0" * 4), GOES, Reason.PROTOCOL_ERROR),
    ("a ping on a stream", frame(6, 0, 1, b"\0" * 8), GOES, Reason.PROTOCOL_ERROR),
    ("a ping of a wrong length", frame(6, 0, 0, b"\0" * 7), GOES, Reason.FRAME_SIZE_ERROR),
    ("a goaway on a stream", frame(7, 0, 1, b"\0" * 8), GOES, Reason.PROTOCOL_ERROR),
    ("a window update of 0", frame(8, 0, 0, b"\0" * 4), GOES, Reason.PROTOCOL_ERROR),
    ("a stream's window update of 0", OPEN + frame(8, 0, 1, b"\0" * 4), 1, Reason.PROTOCOL_ERROR),
    ("a window update on an idle stream", frame(8, 0, 1, b"\0\0\0\1"), GOES,
     Reason.PROTOCOL_ERROR),
    ("a window update of a wrong length", frame(8, 0, 0, b"\0"), GOES, Reason.FRAME_SIZE_ERROR),
    ("a window past its bounds", frames.window_update(0, 2**31 - 1) , GOES,
     Reason.FLOW_CONTROL_ERROR),
    ("a stream's window past its bounds", OPEN + frames.window_update(1, 2**31 - 1), 1,
     Reason.FLOW_CONTROL_ERROR),
    ("an unknown kind of frame", frame(0xEE, 0xFF, 1, b"x"), None, None),
    ("a flood of pings", frame(6, 0, 0, b"\0" * 8) * 1001, GOES, Reason.ENHANCE_YOUR_CALM),
    ("a flood of settings", frames.settings([]) * 1001, GOES, Reason.ENHANCE_YOUR_CALM),
    ("a flood of empty data", OPEN + frame(0, 0, 1) * 1001, GOES, Reason.ENHANCE_YOUR_CALM),
    ("a flood of resets", b"".join(
        headers(at, 4) + frame(3, 0, at, b"\0\0\0\x08") for at in range(1, 2004, 2)), GOES,
     Reason.ENHANCE_YOUR_CALM),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "hits", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_breaks_the_rules_ends_the_stream_or_the_connection(
    sent: bytes, hits: str | int | None, reason: Reason | None
) -> None:
    ours = Connection()
    ours.receive(sent if sent[:3] in (b"PRI", b"GET") else GREETING + sent)
    out, found = ours.output(), []
    at = 0
    while at < len(out):
        length, _, stream = frames.read_head(out, at)
        kind, length = length & 0xFF, length >> 8
        payload = out[at + 9 : at + 9 + length]
        if kind == frames.GOAWAY:
            found.append((GOES, int.from_bytes(payload[4:8], "big")))
        elif kind == frames.RST_STREAM:
            found.append((stream, int.from_bytes(payload, "big")))
        at += 9 + length
    assert found == ([] if hits is None else [(hits, reason)])
    assert ours.closed is (hits == GOES)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10), st.integers(0, 255), st.integers(0, 6), st.binary(max_size=30)
        ),
        max_size=20,
    )
)
def test_any_frames_give_events_or_an_orderly_end(sent: list[tuple[int, int, int, bytes]]) -> None:
    ours = Connection()
    ours.receive(GREETING)
    for kind, flags, stream, payload in sent:
        for event in ours.receive(frame(kind, flags, stream, payload)):
            if isinstance(event, Received):
                ours.respond(event.stream, HEAD, b"x", END)
    out = ours.output()
    at = 0
    while at < len(out):
        at += 9 + (frames.read_head(out, at)[0] >> 8)
    assert at == len(out)
