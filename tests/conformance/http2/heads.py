"""Cases of header blocks: compression (RFC 7541), and what a request may say (RFC 9113)."""

from __future__ import annotations

import hpack

from .peer import (
    ASKED,
    EMPTY,
    END_HEADERS,
    END_STREAM,
    PLAIN,
    PSEUDO,
    Case,
    Code,
    answers,
    ask,
    block,
    continuation,
    data,
    goes,
    headers,
    resets,
    settings,
)

_GARBLED = goes(Code.COMPRESSION_ERROR)
_MALFORMED = resets(1, Code.PROTOCOL_ERROR)
_LAST = END_HEADERS | END_STREAM


def _huffman(text: bytes) -> bytes:
    """A header named x whose value is *text* in Huffman's code, as bytes."""
    return ASKED + b"\0\1x" + bytes([0x80 | len(text)]) + text


def _encoded(*lists: dict[str, str]) -> bytes:
    """Calls that another encoder compresses, each with more in the table."""
    encoder = hpack.Encoder()
    return b"".join(
        ask(stream, asked=bytes(encoder.encode(list(pairs.items()))))
        for stream, pairs in zip(range(1, 100, 2), lists, strict=False)
    )


_CALL = PSEUDO | PLAIN

COMPRESSION = [
    Case("2.3.3 of 7541", "index 0", headers(1, ASKED + b"\x80"), _GARBLED),
    Case("2.3.3 of 7541", "an index past both tables", headers(1, ASKED + b"\xbe"), _GARBLED),
    Case("2.3.3 of 7541", "a name of an index past both tables",
         headers(1, ASKED + b"\x7f\x00\1x"), _GARBLED),
    Case("2.3.3 of 7541", "an entry that was evicted",
         headers(1, ASKED + b"\x40\1x\1y") + headers(3, b"\x20" + ASKED + b"\xbe"), _GARBLED),
    Case("4.2 of 7541", "a table larger than allowed", headers(1, b"\x3f\xe2\x1f" + ASKED),
         _GARBLED),
    Case("4.2 of 7541", "a table of the size allowed",
         headers(1, b"\x3f\xe1\x1f" + ASKED) + data(1, EMPTY), answers(1)),
    Case("4.2 of 7541", "tables of several sizes",
         headers(1, b"\x20\x3f\x00\x3f\xe1\x1f" + ASKED) + data(1, EMPTY), answers(1)),
    Case("4.2 of 7541", "a size at the end of a block", headers(1, ASKED + b"\x20"), _GARBLED),
    Case("4.2 of 7541", "a size within a block", headers(1, ASKED[:18] + b"\x20" + ASKED[18:]),
         _GARBLED),
    Case("4.3 of 7541", "a table of no bytes that is filled",
         headers(1, b"\x20" + ASKED + b"\x40\1x\1y") + data(1, EMPTY), answers(1)),
    Case("4.4 of 7541", "an entry that another pushed out",
         headers(1, ASKED + (b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000) * 2 + b"\xbf"), _GARBLED),
    Case("4.4 of 7541", "an entry larger than the table, which empties it",
         headers(1, ASKED + b"\x40\1x\1y" + b"\x40\1x\x7f\xa1\x1f" + b"y" * 4128 + b"\xbe"),
         _GARBLED),
    Case("4.4 of 7541", "the last of two entries that do not fit together",
         headers(1, ASKED + (b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000) * 2 + b"\xbe")
         + data(1, EMPTY), answers(1)),
    Case("5.1 of 7541", "an integer without an end",
         headers(1, ASKED + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), _GARBLED),
    Case("5.1 of 7541", "an integer that is cut", headers(1, ASKED + b"\xff\x80"), _GARBLED),
    Case("5.1 of 7541", "an integer of 2^32",
         headers(1, ASKED + b"\xff\x81\xff\xff\xff\x0f"), _GARBLED),
    Case("5.1 of 7541", "the length of a text as an integer of 2^63",
         headers(1, ASKED + b"\0\x7f\x81\xff\xff\xff\xff\xff\xff\xff\x7f"), _GARBLED),
    Case("5.1 of 7541", "an integer of far more bytes than it needs",
         headers(1, ASKED + b"\0\1x\x7f" + b"\x80" * 6 + b"\0" + b"y" * 127), _GARBLED),
    Case("5.2 of 7541", "a text longer than its block", headers(1, ASKED + b"\0\1x\x05y"),
         _GARBLED),
    Case("5.2 of 7541", "a name without a value", headers(1, ASKED + b"\0\1x"), _GARBLED),
    Case("5.2 of 7541", "Huffman's code", headers(1, _huffman(b"\x1f")) + data(1, EMPTY),
         answers(1)),
    Case("5.2 of 7541", "Huffman's code with 8 bits of padding", headers(1, _huffman(b"\x1f\xff")),
         _GARBLED),
    Case("5.2 of 7541", "Huffman's code with padding of zeros", headers(1, _huffman(b"\x18")),
         _GARBLED),
    Case("5.2 of 7541", "Huffman's code of the end of texts",
         headers(1, _huffman(b"\xff\xff\xff\xff")), _GARBLED),
    Case("5.2 of 7541", "Huffman's code with the end within",
         headers(1, _huffman(b"\x1f\xff\xff\xff\xf0\x7f")), _GARBLED),
    Case("6.2.1 of 7541", "entries that later calls refer to",
         _encoded(*[_CALL | {"x-turn": str(turn)} for turn in (1, 1, 1, 2, 2, 2)]),
         answers(1, 3, 5, 7, 9, 11)),
    Case("6.2.3 of 7541", "a header that is never to be indexed",
         headers(1, ASKED + b"\x10\1x\1y") + data(1, EMPTY), answers(1)),
    Case("4.3", "a table that fills also by calls that are refused",
         headers(1, ASKED + b"\x40\1x\1y" + block(("connection", "close")))
         + headers(3, ASKED + b"\xbe") + data(3, EMPTY),
         resets(1, Code.PROTOCOL_ERROR)),
    Case("4.3", "a block of nothing", headers(1, b""), _MALFORMED),
    Case("6.5.2", "a table that the client wants smaller for itself",
         settings((1, 0)) + ask(1), answers(1)),
]  # fmt: skip


def _without(name: str) -> bytes:
    return block(*(pair for pair in _CALL.items() if pair[0] != name))


def _with(name: str, value: str) -> bytes:
    return block(*(_CALL | {name: value}).items())


def _malformed(section: str, name: str, head: bytes) -> Case:
    return Case(section, name, headers(1, head) + data(1, EMPTY), _MALFORMED)


REQUESTS = [
    *(
        _malformed("8.2", f"a name with {what}", ASKED + block((name, "y")))
        for what, name in (
            ("a capital", "X-y"), ("a space", "x y"), ("a control", "x\x01"), ("a delete", "x\x7f"),
            ("an accent", "\xfc"), ("a colon", "x:y"), ("no character", ""),
            ("a line break", "x\n"),
        )
    ),
    *(
        _malformed("8.2.1", f"a value with {what}", ASKED + block(("x", value)))
        for what, value in (
            ("a null", "a\0b"), ("a line feed", "a\nb"), ("a carriage return", "a\rb"),
            ("a space before", " a"), ("a space after", "a "), ("a tab after", "a\t"),
        )
    ),
    *(
        _malformed("8.2.2", f"{name}: {value}", ASKED + block((name, value)))
        for name, value in (
            ("connection", "keep-alive"), ("keep-alive", "1"), ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip"),
            ("te", "trailers, deflate"),
        )
    ),
    Case("8.2.2", "te of another case", headers(1, _with("te", "Trailers")) + data(1, EMPTY),
         answers(1)),
    *(
        _malformed("8.3.1", f"no {name}", _without(name))
        for name in (":method", ":scheme", ":path")
    ),
    *(
        _malformed("8.3.1", f"{name} twice", block((name, "/x")) + ASKED)
        for name in (":method", ":scheme", ":path", ":authority")
    ),
    _malformed("8.3", "a pseudo-header nobody knows", block((":test", "x")) + ASKED),
    _malformed("8.3", "a pseudo-header of an answer", block((":status", "200")) + ASKED),
    _malformed("8.3", "a pseudo-header after others", _without(":path") + block((":path", "/"))),
    _malformed("8.3.1", "an empty path", _with(":path", "")),
    Case("8.3.1", "no authority", headers(1, _without(":authority")) + data(1, EMPTY), answers(1)),
    Case("8.2.3", "cookies in several pieces",
         headers(1, ASKED + block(("cookie", "a=1"), ("cookie", "b=2"))) + data(1, EMPTY),
         answers(1)),
    Case("8.1", "a pseudo-header in trailers",
         headers(1, ASKED) + data(1, EMPTY, 0) + headers(1, block((":path", "/")), _LAST),
         _MALFORMED),
    Case("8.2", "a capital in trailers",
         headers(1, ASKED) + data(1, EMPTY, 0) + headers(1, block(("X", "y")), _LAST),
         _MALFORMED),
    Case("8.1", "trailers of nothing",
         headers(1, ASKED) + data(1, EMPTY, 0) + headers(1, b"", _LAST), answers(1)),
]  # fmt: skip


def _lengths(name: str, said: str, *sent: bytes, right: bool = False) -> Case:
    parts = [data(1, part, 0) for part in sent[:-1]] + [data(1, part) for part in sent[-1:]]
    head = headers(1, _with("content-length", said), END_HEADERS if sent else _LAST)
    return Case("8.1.1", name, head + b"".join(parts), answers(1) if right else _MALFORMED)


LENGTHS = [
    _lengths("content-length more than data", "6", EMPTY),
    _lengths("content-length less than data", "4", EMPTY),
    _lengths("content-length more than several data", "6", EMPTY[:2], EMPTY[2:]),
    _lengths("content-length less than several data", "4", EMPTY[:2], EMPTY[2:]),
    _lengths("content-length of the first data alone", "2", EMPTY[:2], EMPTY[2:]),
    _lengths("content-length without data", "5"),
    _lengths("content-length that is no number", "five", EMPTY),
    _lengths("content-length that is negative", "-5", EMPTY),
    _lengths("content-length with a sign", "+5", EMPTY),
    _lengths("content-length that is empty", "", EMPTY),
    _lengths("content-length twice in one", "5, 5", EMPTY),
    _lengths("content-length past all bounds", "9" * 40, EMPTY),
    _lengths("content-length as it is", "5", EMPTY, right=True),
    _lengths("content-length as it is of several data", "5", EMPTY[:1], b"", EMPTY[1:], right=True),
    Case("8.1.1", "content-length, known by heart, less than data",
         ask(1, asked=_with("content-length", "5"))
         + ask(3, EMPTY + b"x", _with("content-length", "5")), resets(3, Code.PROTOCOL_ERROR)),
    Case("8.1.1", "content-length of data without its padding",
         headers(1, _with("content-length", "5")) + data(1, b"\2" + EMPTY + b"\0\0", 0x9),
         answers(1)),
    Case("8.1.1", "content-length more than data before trailers",
         headers(1, _with("content-length", "6")) + data(1, EMPTY, 0)
         + headers(1, block(("x", "y")), _LAST), _MALFORMED),
]  # fmt: skip

LARGE = [
    Case("10.5.1", "a list of many headers",
         headers(1, ASKED + block(("x", "y")) * 100) + data(1, EMPTY), answers(1)),
    Case("10.5.1", "a list larger than told, in a small block",
         headers(1, ASKED + b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 20),
         resets(1, Code.ENHANCE_YOUR_CALM)),
    Case("10.5.1", "a list larger than told, in a large block",
         headers(1, ASKED, 0) + continuation(1, block(("x", "y")) * 2000, 0) * 9
         + continuation(1, b"\x40\1x\1y") + headers(3, ASKED + b"\xbe" * 2) + data(3, EMPTY),
         resets(1, Code.ENHANCE_YOUR_CALM)),
    Case("10.5.1", "a table that is right after a list larger than told",
         headers(1, ASKED + b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 20)
         + headers(3, ASKED + b"\xbe" * 2) + data(3, EMPTY),
         resets(1, Code.ENHANCE_YOUR_CALM)),
]  # fmt: skip

CASES = [*COMPRESSION, *REQUESTS, *LENGTHS, *LARGE]
