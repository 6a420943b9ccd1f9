"""Cases of streams: each kind of frame in each of their states, numbers, and errors in flight."""

from __future__ import annotations

from .peer import (
    ASKED,
    EMPTY,
    END_HEADERS,
    END_STREAM,
    WATCHED,
    Case,
    Code,
    answers,
    ask,
    block,
    continuation,
    data,
    goes,
    headers,
    priority,
    reset,
    resets,
    settings,
    window_update,
)

_WRONG = goes(Code.PROTOCOL_ERROR)
_CLOSED = goes(Code.STREAM_CLOSED)
_TRAILERS = block(("x-checksum", "1"))
_BROKEN = headers(1, ASKED + block(("connection", "close")))
"""A request that the server resets."""

_HALF_CLOSED = headers(1, WATCHED) + data(1, EMPTY)
"""A call that has ended, but its answer has not."""

IDLE = [
    Case("5.1", "data", data(1, EMPTY), _WRONG),
    Case("5.1", "a reset", reset(1), _WRONG),
    Case("5.1", "a window update", window_update(1, 100), _WRONG),
    Case("5.1", "a continuation", continuation(1, ASKED), _WRONG),
    Case("5.1", "a priority", priority(1) + ask(1), answers(1)),
    Case("5.1", "data above a stream that is open", headers(1, ASKED) + data(3, EMPTY), _WRONG),
]

OPEN = [
    Case("5.1", "a window update", headers(1, ASKED) + window_update(1, 1) + data(1, EMPTY),
         answers(1)),
    Case("5.1", "a priority", headers(1, ASKED) + priority(1, 3) + data(1, EMPTY), answers(1)),
    Case("5.1", "a reset", headers(1, ASKED) + reset(1) + ask(3), answers(3)),
    Case("8.1", "headers that do not end it", headers(1, ASKED) + headers(1, _TRAILERS),
         resets(1, Code.PROTOCOL_ERROR)),
    Case("8.1", "trailers",
         headers(1, ASKED) + data(1, EMPTY, 0) + headers(1, _TRAILERS, END_HEADERS | END_STREAM),
         answers(1)),
    Case("8.1", "trailers in parts",
         headers(1, ASKED) + data(1, EMPTY, 0) + headers(1, _TRAILERS[:3], END_STREAM)
         + continuation(1, _TRAILERS[3:]), answers(1)),
    Case("8.1", "data after trailers",
         headers(1, WATCHED) + data(1, EMPTY, 0)
         + headers(1, _TRAILERS, END_HEADERS | END_STREAM) + data(1, b"x"),
         resets(1, Code.STREAM_CLOSED)),
]  # fmt: skip

HALF_CLOSED = [
    Case("5.1", "data", _HALF_CLOSED + data(1, b"x"), resets(1, Code.STREAM_CLOSED)),
    Case("5.1", "data that the server is used to",
         ask(1) + _HALF_CLOSED.replace(b"\0\0\0\1", b"\0\0\0\3") + data(3, EMPTY),
         resets(3, Code.STREAM_CLOSED)),
    Case("5.1", "headers", _HALF_CLOSED + headers(1, _TRAILERS, END_HEADERS | END_STREAM), _CLOSED),
    Case("5.1", "a continuation", _HALF_CLOSED + continuation(1, _TRAILERS), _WRONG),
    Case("5.1", "a window update", _HALF_CLOSED + window_update(1, 1) + ask(3), answers(3)),
    Case("5.1", "a priority", _HALF_CLOSED + priority(1, 3) + ask(3), answers(3)),
    Case("5.1", "a reset", _HALF_CLOSED + reset(1) + ask(3), answers(3)),
    Case("5.1", "a window update of 0", _HALF_CLOSED + window_update(1, 0),
         resets(1, Code.PROTOCOL_ERROR)),
]  # fmt: skip

CLOSED = [
    Case("5.1", "data", data(1, b"x"), resets(1, Code.STREAM_CLOSED), ask(1)),
    Case("5.1", "headers", headers(1, ASKED), _CLOSED, ask(1)),
    Case("5.1", "a continuation", continuation(1, ASKED), _WRONG, ask(1)),
    Case("5.1", "a window update", window_update(1, 7) + ask(3), answers(1, 3), ask(1)),
    Case("5.1", "a window update of 0", window_update(1, 0) + ask(3), answers(1, 3), ask(1)),
    Case("5.1", "a reset", reset(1) + ask(3), answers(1, 3), ask(1)),
    Case("5.1", "a priority", priority(1) + ask(3), answers(1, 3), ask(1)),
    Case("5.1", "data after a reset", headers(1, ASKED) + reset(1) + data(1, EMPTY),
         resets(1, Code.STREAM_CLOSED)),
    Case("5.1", "headers after a reset",
         headers(1, ASKED) + reset(1) + headers(1, _TRAILERS, END_HEADERS | END_STREAM), _CLOSED),
    Case("5.1", "a continuation after a reset",
         headers(1, ASKED) + reset(1) + continuation(1, _TRAILERS), _WRONG),
    Case("5.1", "a window update after a reset",
         headers(1, ASKED) + reset(1) + window_update(1, 7) + ask(3), answers(3)),
    Case("5.1", "a reset after a reset", headers(1, ASKED) + reset(1) * 2 + ask(3), answers(3)),
    Case("5.4.2", "all that was under way when the server reset it",
         _BROKEN + data(1, EMPTY, 0) + window_update(1, 1) + priority(1) + reset(1)
         + headers(1, _TRAILERS, END_HEADERS | END_STREAM),
         resets(1, Code.PROTOCOL_ERROR)),
]  # fmt: skip

NUMBERS = [
    Case("5.1.1", "an even one", headers(2, ASKED), _WRONG),
    Case("5.1.1", "a lower one than before", ask(5) + ask(3), _WRONG),
    Case("5.1.1", "a lower one, known by heart", ask(1) + ask(9) + ask(3), _WRONG),
    Case("5.1.1", "one that was passed over, with data", ask(5) + data(3, EMPTY),
         resets(3, Code.STREAM_CLOSED)),
    Case("5.1.1", "with gaps", ask(3) + ask(13) + ask(15) + ask(1_000_001),
         answers(3, 13, 15, 1_000_001)),
    Case("5.1.1", "the highest", ask(1) + ask(0x7FFF_FFFF), answers(1, 0x7FFF_FFFF)),
    Case("5.1.1", "one past the highest",
         ask(1) + ask(0x7FFF_FFFF) + headers(0x8000_0001, ASKED), _WRONG),
    Case("5.1.2", "many at once",
         b"".join(headers(stream, ASKED) for stream in range(1, 61, 2))
         + b"".join(data(stream, EMPTY) for stream in reversed(range(1, 61, 2))),
         answers(*range(1, 61, 2))),
    Case("6.9.2", "opened before and after settings",
         headers(1, ASKED) + settings((4, 10)) + ask(3) + data(1, EMPTY), answers(1, 3)),
]  # fmt: skip

CASES = [*IDLE, *OPEN, *HALF_CLOSED, *CLOSED, *NUMBERS]
