"""What no client can do without end (RFC 9113, section 10.5), and what it may do often."""

from __future__ import annotations

import pytest

from .peer import (
    ASKED,
    EMPTY,
    GREETING,
    PREFACE,
    WATCHED,
    Code,
    Peer,
    ask,
    block,
    continuation,
    data,
    frame,
    headers,
    ping,
    priority,
    reset,
    settings,
    window_update,
)

NUISANCES = 1001
"""One more than a client may be; whoever sends more could lose what the server says at the end."""

STREAMS = range(1, 2 * NUISANCES, 2)
OPEN = headers(1, ASKED)
BROKEN = ASKED + block(("connection", "close"))

FLOODS = {
    "pings": ping() * NUISANCES,
    "settings": settings() * NUISANCES,
    "settings of many windows": settings(*[(4, at) for at in range(100)]) * NUISANCES,
    "empty data": OPEN + data(1, b"", 0) * NUISANCES,
    "priorities": priority(1) * NUISANCES,
    "unknown frames": frame(0xEE, 0, 0) * NUISANCES,
    "resets of a closed stream": OPEN + reset(1) * NUISANCES,
    "calls that are reset at once": b"".join(ask(at) + reset(at) for at in STREAMS),
    "headers that are reset at once": b"".join(headers(at, ASKED) + reset(at) for at in STREAMS),
    "data of a stream that was reset": headers(1, BROKEN) + data(1, b"x", 0) * NUISANCES,
    "broken requests": b"".join(headers(at, BROKEN) for at in STREAMS),
    "window updates of 0": b"".join(headers(at, ASKED) + window_update(at, 0) for at in STREAMS),
    "calls beyond what may be at once": b"".join(
        headers(at, WATCHED) for at in range(1, 2 * (1024 + NUISANCES), 2)
    ),
    "continuations": headers(1, ASKED, 0) + continuation(1, b"\0\1x\1y", 0) * 64,
    "empty continuations": headers(1, ASKED, 0) + continuation(1, b"", 0) * 64,
    "a block far larger than a list may be": headers(1, ASKED, 0)
    + continuation(1, block(("x", "y")) * 2000, 0) * 27,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_the_connection_and_says_why(address: str, flood: bytes) -> None:
    with Peer(address) as peer:
        peer.send(flood)
        peer.until_close()
        faults = [fault for fault in peer.faults() if fault[0] == 0]
        assert faults == [(0, Code.ENHANCE_YOUR_CALM)]
    with Peer(address) as other:
        other.send(ask(1))
        other.until_end(1)


@pytest.mark.parametrize(
    "more",
    [ping(), settings(), frame(0xEE, 0, 0), priority(1)],
    ids=["a ping", "settings", "an unknown frame", "a priority"],
)
def test_a_client_that_calls_may_say_something_with_each_call(address: str, more: bytes) -> None:
    with Peer(address) as peer:
        for stream in range(1, 6001, 2):
            peer.send(window_update(0, 5) + ask(stream) + more)
            if stream % 100 == 1:
                peer.until_end(stream)
        peer.until_end(5999)
        assert peer.faults() == []


def test_a_client_may_give_up_half_of_its_calls(address: str) -> None:
    with Peer(address) as peer:
        for stream in range(1, 8001, 4):
            peer.send(headers(stream, ASKED) + reset(stream) + ask(stream + 2))
            if stream % 100 == 1:
                peer.until_end(stream + 2)
        peer.until_end(7999)
        assert peer.faults() == []


def test_a_call_beyond_what_may_be_at_once_is_refused_and_can_be_tried_again(address: str) -> None:
    with Peer(address) as peer:
        for stream in range(1, 2049, 2):
            peer.send(headers(stream, ASKED))
        peer.send(ask(2049))
        peer.until_marked()
        assert peer.faults() == [(2049, Code.REFUSED_STREAM)]
        peer.send(data(1, EMPTY))
        peer.until_end(1)
        peer.send(ask(2051))
        peer.until_end(2051)
        assert peer.ended == {1, 2051}


def test_many_window_updates_while_many_streams_wait_are_dealt_with(address: str) -> None:
    """Each costs work for what it moves, not for all that waits; else this took minutes."""
    with Peer(address, PREFACE + settings((4, 0))) as peer:
        for stream in range(1, 2001, 2):
            peer.send(ask(stream))
        for _ in range(100):
            peer.send(window_update(0, 1) * 1000)
        peer.until_marked()
        assert peer.ended == set()
        peer.send(settings((4, 5)))
        peer.until_end(1999)
        assert len(peer.ended) == 1000


def test_what_is_left_after_an_end_is_not_read(address: str) -> None:
    with Peer(address, GREETING) as peer:
        peer.send(window_update(0, 0) + ask(1) + settings() * 3)
        peer.until_close()
        assert peer.faults() == [(0, Code.PROTOCOL_ERROR)]
        assert peer.ended == set()
