"""Flow control (RFC 9113, sections 5.2 and 6.9): neither side sends what the other can't take."""

from __future__ import annotations

import pytest

from .peer import (
    ASKED,
    EMPTY,
    END_STREAM,
    GREETING,
    PREFACE,
    WATCHED,
    Code,
    Kind,
    Peer,
    ask,
    data,
    headers,
    ping,
    reset,
    settings,
    window_update,
)

WINDOW = 4
"""The number of a setting."""


def message(size: int) -> bytes:
    return b"\0" + size.to_bytes(4, "big") + bytes(at % 251 for at in range(size))


def greeting(window: int) -> bytes:
    return PREFACE + settings((WINDOW, window))


def said(peer: Peer, stream: int) -> bytes:
    """What came of an answer's body until now."""
    peer.until_marked()
    return peer.bodies.get(stream, b"")


def test_a_window_that_grows_by_single_bytes_lets_single_bytes_pass(address: str) -> None:
    with Peer(address, greeting(1)) as peer:
        peer.send(ask(1, message(20)))
        for size in range(1, 25):
            assert said(peer, 1) == message(20)[:size]
            assert 1 not in peer.ended
            peer.send(window_update(1, 1))
        assert said(peer, 1) == message(20)
        assert 1 in peer.ended


def test_a_window_of_the_connection_that_grows_by_single_bytes_is_kept_to_by_all_streams(
    address: str,
) -> None:
    with Peer(address) as peer:
        peer.send(ask(1, message(65_535 - 5)))
        assert said(peer, 1) == message(65_535 - 5)
        peer.send(ask(3, message(3)) + ask(5, message(3)))
        for granted in range(16):
            assert len(said(peer, 3)) + len(said(peer, 5)) == granted
            peer.send(window_update(0, 1))
        peer.until_marked()
        assert peer.bodies[3] == peer.bodies[5] == message(3)


def test_streams_share_the_window_of_the_connection_in_turn(address: str) -> None:
    with Peer(address) as peer:
        peer.send(ask(1, message(65_535 - 5)))
        peer.until_end(1)
        peer.send(ask(3, message(60_000)) + ask(5, message(60_000)))
        peer.until_marked()
        peer.send(window_update(0, 65_536))
        assert len(said(peer, 3)) == len(said(peer, 5)) == 2 * 16_384


def test_new_settings_open_windows_of_streams_that_wait(address: str) -> None:
    with Peer(address, greeting(0)) as peer:
        peer.send(ask(1, message(20)) + ask(3, message(20)))
        assert said(peer, 1) == said(peer, 3) == b""
        peer.send(settings((WINDOW, 7)))
        assert said(peer, 1) == said(peer, 3) == message(20)[:7]
        peer.send(settings((WINDOW, 25)))
        peer.until_marked()
        assert peer.ended == {1, 3}


def test_new_settings_may_make_a_window_negative(address: str) -> None:
    with Peer(address, greeting(10)) as peer:
        peer.send(ask(1, message(20)))
        assert len(said(peer, 1)) == 10
        peer.send(settings((WINDOW, 3)))
        peer.send(window_update(1, 7))  # to 0
        assert len(said(peer, 1)) == 10
        peer.send(window_update(1, 1))
        assert len(said(peer, 1)) == 11
        peer.send(settings((WINDOW, 0)) + settings((WINDOW, 3)))
        assert len(said(peer, 1)) == 11
        peer.send(window_update(1, 100))
        assert said(peer, 1) == message(20)


def test_headers_and_trailers_need_no_window(address: str) -> None:
    with Peer(address, greeting(0)) as peer:
        peer.send(ask(1, b"\0\0"))  # no message: the answer is a status alone
        peer.until_end(1)
        assert 1 not in peer.bodies
        peer.send(ask(3, message(1)))
        peer.until_marked()
        assert 3 in peer.headers
        assert 3 not in peer.ended


def test_one_stream_that_waits_does_not_hold_up_others(address: str) -> None:
    with Peer(address, greeting(0)) as peer:
        peer.send(ask(1, message(50_000)))
        peer.send(settings((WINDOW, 100)))
        for stream in range(3, 43, 2):
            peer.send(ask(stream, message(50)))
            peer.until_end(stream)
            assert peer.bodies[stream] == message(50)
        assert len(said(peer, 1)) == 100


def test_a_stream_that_was_reset_gets_nothing_more(address: str) -> None:
    with Peer(address, greeting(5)) as peer:
        peer.send(ask(1, message(20)))
        assert len(said(peer, 1)) == 5
        peer.send(reset(1) + settings((WINDOW, 100)) + ask(3, message(50)))
        peer.until_end(3)
        assert len(said(peer, 1)) == 5


def test_no_frame_is_larger_than_the_client_must_take(address: str) -> None:
    with Peer(address, greeting(1 << 20)) as peer:
        peer.send(settings((5, 1 << 20)) + window_update(0, 1 << 20))
        peer.send(ask(1, message(200_000)))
        peer.until_end(1)
        assert peer.bodies[1] == message(200_000)
        assert max(len(one.payload) for one in peer.frames) <= 16_384


def test_the_server_grants_what_a_large_request_needs(address: str) -> None:
    """The client counts its windows, as it must."""
    with Peer(address) as peer:
        peer.until_marked()
        stream_window = int.from_bytes(_initial(peer), "big")
        windows = {0: 65_535 + _granted(peer, 0), 1: stream_window}
        whole = message(1 << 20)
        peer.send(settings((WINDOW, 1 << 21)) + window_update(0, 1 << 21))
        peer.send(headers(1, ASKED))
        granted = {0: _granted(peer, 0), 1: 0}
        at = 0
        while at < len(whole):
            room = min(windows[0], windows[1], 16_384, len(whole) - at)
            if room == 0:
                peer.hear()
            for stream in windows:
                now = _granted(peer, stream)
                windows[stream] += now - granted[stream]
                granted[stream] = now
            last = at + room == len(whole)
            if room:
                peer.send(data(1, whole[at : at + room], END_STREAM if last else 0))
            at += room
            windows = {stream: left - room for stream, left in windows.items()}
        peer.until_end(1)
        assert peer.bodies[1] == whole
        assert peer.faults() == []


def _initial(peer: Peer) -> bytes:
    payload = next(one.payload for one in peer.frames if one.kind == Kind.SETTINGS)
    values = {payload[at : at + 2]: payload[at + 2 : at + 6] for at in range(0, len(payload), 6)}
    return values[b"\0\4"]


def _granted(peer: Peer, stream: int) -> int:
    return sum(
        int.from_bytes(one.payload, "big")
        for one in peer.frames
        if one.kind == Kind.WINDOW_UPDATE and one.stream == stream
    )


def test_more_than_a_streams_window_resets_it(address: str) -> None:
    with Peer(address) as peer:
        peer.until_marked()
        window = int.from_bytes(_initial(peer), "big")
        # Of a call whose messages count as they are taken, and that takes no more than one.
        peer.send(headers(1, WATCHED) + data(1, EMPTY, 0))
        for _ in range(0, window + 16_384, 16_384):
            peer.send(data(1, bytes(16_384), 0))
        peer.until_marked()
        assert peer.faults() == [(1, Code.FLOW_CONTROL_ERROR)]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_padding_counts_and_is_granted_again(address: str, size: int) -> None:
    """Much more padding than any window, in a call that takes no data."""
    with Peer(address, GREETING) as peer:
        peer.send(headers(1, ASKED))
        for _ in range(5000 // size):
            peer.send(data(1, b"\xff" + bytes(255), 0x8) * size)
        peer.send(data(1, EMPTY))
        peer.until_end(1)
        assert peer.bodies[1] == EMPTY
        assert _granted(peer, 1) >= 1 << 19
        peer.send(ping())
        assert peer.faults() == []
