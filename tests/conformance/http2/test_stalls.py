"""Clients that stop in the middle, or say nothing: who is cut off as time passes, and who not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mixer._pb.pool import POOL
from mixer.transport.native import QUIET_LOOKS, NativeServer
from tests.peers import wait_for

from .conftest import LOG, Served, echo, served
from .peer import (
    ACK,
    ASKED,
    EMPTY,
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
    settings,
    window_update,
)

HIGHEST = 2**31 - 1


@pytest.fixture
def server() -> Iterator[Served]:
    """A server that nobody else talks to."""
    with served(NativeServer({"istio.mixer.v1.Mixer/Check": echo}, POOL, LOG)) as found:
        yield found


@pytest.mark.parametrize(
    "sent",
    [b"", PREFACE[:10], PREFACE, GREETING + ping()[:5], GREETING + ask(1)[:-1],
     GREETING + headers(1, ASKED, 0)],
    ids=["nothing", "half a preface", "no settings", "half a head", "half a frame", "half a block"],
)  # fmt: skip
def test_a_connection_that_stops_within_a_frame_is_closed(server: Served, sent: bytes) -> None:
    with Peer(server.address, b"") as peer:
        peer.send(sent)
        if sent.startswith(PREFACE):
            peer.hear()
        other = Peer(server.address)
        with other:
            other.until_marked()
            server.look(3)
            peer.until_close()
            other.until_marked()
            assert not other.closed


def test_a_frame_that_comes_slowly_is_waited_for_while_others_come(server: Served) -> None:
    with Peer(server.address) as peer:
        for at in range(1, 40, 2):
            call = ask(at)
            peer.send(call[:-3])
            server.look()
            peer.send(call[-3:])
            peer.until_end(at)
        assert peer.faults() == []


def test_a_request_that_does_not_end_is_reset(server: Served) -> None:
    with Peer(server.address) as peer:
        peer.send(headers(1, ASKED) + data(1, EMPTY[:2], 0) + headers(3, ASKED) + ask(5))
        peer.until_marked()
        server.look(2)
        peer.until_marked()
        assert sorted(peer.faults()) == [(1, Code.CANCEL), (3, Code.CANCEL)]
        peer.send(data(1, EMPTY[2:]) + ask(7))
        peer.until_end(7)
        assert peer.ended == {5, 7}


def test_an_answer_that_is_not_let_pass_is_reset_and_a_watch_without_news_is_not(
    server: Served,
) -> None:
    with Peer(server.address) as peer:
        peer.send(headers(1, WATCHED) + data(1, EMPTY))
        peer.until_marked()
        assert peer.bodies[1]
        peer.send(settings((4, 0)) + ask(3))
        peer.until_marked()
        server.look(5)
        peer.until_marked()
        assert peer.faults() == [(3, Code.CANCEL)]
        peer.send(settings((4, 100)) + ask(5))
        peer.until_end(5)
        assert 1 not in peer.ended


def test_more_streams_may_stop_at_once_than_a_client_may_be_a_nuisance(server: Served) -> None:
    with Peer(server.address) as peer:
        for turn in range(2):
            for stream in range(1, 2049, 2):
                peer.send(headers(2048 * turn + stream, ASKED))
            peer.until_marked()
            server.look(2)
            peer.until_marked()
            assert len(peer.faults()) == 1024 * (turn + 1)
        peer.send(ask(5001))
        peer.until_end(5001)


def test_answers_that_nobody_reads_close_their_connection(server: Served) -> None:
    with Peer(server.address, PREFACE + settings((4, HIGHEST))) as peer:
        peer.send(window_update(0, HIGHEST - 65_535))
        message = b"\0\0\x0f\x42\x40" + bytes(1_000_000)
        asked = b"".join(ask(stream, message) for stream in range(1, 101, 2))
        sending = threading.Thread(target=peer.send, args=[asked])
        sending.start()
        wait_for(lambda: server.has_stopped_reading)
        server.look(2)
        sending.join()
        peer.until_close()
        assert 99 not in peer.ended


def test_a_quiet_connection_is_asked_to_go_and_then_made_to(server: Served) -> None:
    with Peer(server.address) as peer, Peer(server.address) as watching:
        for one in (peer, watching):
            one.send(headers(1, WATCHED) if one is watching else ask(1))
            one.until_marked()
        server.look(QUIET_LOOKS + 1)
        peer.hear()
        assert (peer.frames[-2].kind, peer.frames[-1].kind) == (Kind.GOAWAY, Kind.PING)
        assert peer.faults() == [(0, Code.NO_ERROR)]
        peer.send(ask(3))
        peer.until_end(3)  # it was sent before the client heard
        server.look(2)
        assert not peer.closed
        server.look(QUIET_LOOKS + 5)
        peer.until_close()
        watching.until_marked()
        assert watching.faults() == []


def test_a_client_that_pings_now_and_then_is_not_asked_to_go(server: Served) -> None:
    with Peer(server.address) as peer:
        for _ in range(3 * QUIET_LOOKS):
            peer.send(ping() * 40)
            peer.until_marked()
            server.look()
        assert peer.faults() == []


def test_a_server_that_goes_takes_what_was_sent_before_the_client_heard_of_it(
    server: Served,
) -> None:
    with Peer(server.address) as peer:
        peer.send(ask(1) + headers(3, ASKED))
        peer.until_marked()
        gone = server.drain(20)
        while not any(one.kind == Kind.GOAWAY for one in peer.frames):
            peer.hear()
        peer.send(ask(5))
        peer.until_end(5)
        question = next(one for one in peer.frames if one.kind == Kind.PING and not one.flags)
        peer.send(ping(question.payload, ACK) + ask(7) + data(3, EMPTY))
        peer.until_close()
        assert peer.ended == {1, 3, 5}
        assert peer.faults() == [(0, 0), (0, 0), (7, Code.REFUSED_STREAM)]
        lasts = [one.payload[:4] for one in peer.frames if one.kind == Kind.GOAWAY]
        assert [int.from_bytes(last, "big") for last in lasts] == [HIGHEST, 5]
    gone.result(20)


def test_a_client_that_hangs_up_is_forgotten(server: Served) -> None:
    with Peer(server.address) as peer:
        peer.send(headers(1, WATCHED) + data(1, EMPTY))
        peer.until_marked()
        peer.hang_up()
    with Peer(server.address) as other:
        other.send(ask(1))
        other.until_end(1)


def test_a_client_that_goes_on_after_the_end_hears_nothing_and_does_no_harm(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with Peer(server.address) as peer:
        peer.until_marked()
        gone = server.drain(20)
        while not any(one.kind == Kind.GOAWAY for one in peer.frames):
            peer.hear()
        question = next(one for one in peer.frames if one.kind == Kind.PING and not one.flags)
        peer.send(ping(question.payload, ACK))
        peer.until_close()
        peer.send(ping())
    gone.result(20)
    assert caplog.records == []
