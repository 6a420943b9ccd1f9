"""listchecker and denylist: comparing, fetching, forgetting (spec: adapters, listchecker)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from adapters.listchecker import (
    Denylist,
    DenylistConfig,
    EntryType,
    Listchecker,
    ListcheckerConfig,
    NoList,
)
from adapters.listchecker import provider as provider_module
from adapters.listchecker.entries import Patterns, build, read
from mixer.adapter import Code, Duration, ListEntry, Timestamp, Value, Verdict, parse_ip
from mixer.adapter.testing import Rejected, running

STRINGS, CASELESS, ADDRESSES, REGEX = EntryType
ALLOWED = Verdict(Code.OK, "", 300.0, 10_000)


def denied(message: str, code: Code = Code.PERMISSION_DENIED) -> Verdict:
    return Verdict(code, message, 300.0, 10_000)


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """A list behind a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.body = b""
        self.headers: dict[str, str] = {}
        self.fetched = 0


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@contextmanager
def serving() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.fetched += 1
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}/list")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("entry_type", "entries", "value", "listed"),
    [
        pytest.param(STRINGS, ["v1", "v2"], "v2", True, id="a-string"),
        pytest.param(STRINGS, ["v1"], "V1", False, id="a-string-by-case"),
        pytest.param(STRINGS, ["v1"], "v1 ", False, id="a-string-is-not-trimmed"),
        pytest.param(STRINGS, [], "", False, id="an-empty-list"),
        pytest.param(STRINGS, ["10.0.0.1"], b"\x0a\0\0\1", True, id="an-address-as-printed"),
        pytest.param(CASELESS, ["Straße"], "STRASSE", True, id="any-case"),
        pytest.param(CASELESS, ["v1"], "v2", False, id="any-case-but-other-text"),
        pytest.param(CASELESS, ["2001:DB8::1"], parse_ip("2001:db8::1"), True, id="hex-any-case"),
        pytest.param(REGEX, ["^v[0-9]$"], "v7", True, id="a-pattern"),
        pytest.param(REGEX, ["b+"], "abc", True, id="a-pattern-anywhere"),
        pytest.param(REGEX, ["x", "(?i)ABC", "y"], "abc", True, id="one-pattern-of-many"),
        pytest.param(REGEX, ["(?i)x", "abc"], "ABC", False, id="flags-stay-in-their-pattern"),
        pytest.param(REGEX, ["a|b", "^c$"], "xcx", False, id="alternatives-stay-in-theirs"),
        pytest.param(REGEX, [], "x", False, id="no-patterns"),
        pytest.param(REGEX, [r"^10\."], b"\x0a\0\0\1", True, id="a-pattern-on-an-address"),
        pytest.param(REGEX, ["(?P<a>x)", "(?P<a>y)"], "y", True, id="groups-of-one-name"),
        pytest.param(ADDRESSES, ["10.0.0.0/8"], b"\x0a\1\2\3", True, id="in-a-range"),
        pytest.param(ADDRESSES, ["10.0.0.0/8"], b"\x0b\0\0\0", False, id="past-a-range"),
        pytest.param(ADDRESSES, ["10.9.8.7/8"], "10.1.2.3", True, id="bits-of-the-host-are-cut"),
        pytest.param(ADDRESSES, ["10.0.0.0/8"], parse_ip("10.1.2.3"), True, id="ipv4-as-ipv6"),
        pytest.param(ADDRESSES, ["10.0.0.1"], "10.0.0.1", True, id="single-and-text"),
        pytest.param(ADDRESSES, ["10.0.0.1"], "10.0.0.2", False, id="single-and-neighbour"),
        pytest.param(ADDRESSES, ["2001:db8::1"], "2001:db8::1", True, id="ipv6"),
        pytest.param(ADDRESSES, ["2001:db8::1"], "2001:db8::2", False, id="bare-ipv6-is-128-bits"),
        pytest.param(ADDRESSES, ["2001:db8::/32"], "2001:db8:1::", True, id="in-an-ipv6-range"),
        pytest.param(ADDRESSES, ["0.0.0.0/0"], "8.8.8.8", True, id="all-of-ipv4"),
        pytest.param(ADDRESSES, ["0.0.0.0/0"], "::1", False, id="ipv6-is-not-ipv4"),
        pytest.param(ADDRESSES, ["::/0"], "::1", True, id="all-of-ipv6"),
        pytest.param(ADDRESSES, ["::/0"], "8.8.8.8", False, id="ipv4-is-not-ipv6"),
        pytest.param(ADDRESSES, ["::ffff:10.0.0.0/104"], "10.1.1.1", True, id="mapped-range"),
        pytest.param(ADDRESSES, ["1.2.3.4", "1.2.0.0/16", "::1"], "1.2.9.9", True, id="mixed"),
    ],
)
@pytest.mark.parametrize("blacklist", [False, True], ids=["whitelist", "blacklist"])
async def test_a_value_is_looked_up(
    entry_type: EntryType, entries: Sequence[str], value: Value, listed: bool, blacklist: bool
) -> None:
    config = ListcheckerConfig(entry_type=entry_type, overrides=tuple(entries), blacklist=blacklist)
    async with running(Listchecker, config) as checker:
        verdict = checker.check(ListEntry(value=value))
    assert (verdict == ALLOWED) is (listed is not blacklist)


@pytest.mark.parametrize(
    ("config", "value", "verdict"),
    [
        pytest.param(
            ListcheckerConfig(overrides=("a",)),
            "b",
            denied("b is not whitelisted"),
            id="not-on-the-whitelist",
        ),
        pytest.param(
            ListcheckerConfig(overrides=("a",), blacklist=True),
            "a",
            denied("a is blacklisted"),
            id="on-the-blacklist",
        ),
        pytest.param(
            ListcheckerConfig(entry_type=ADDRESSES),
            b"\x0a\0\0\1",
            denied("10.0.0.1 is not whitelisted"),
            id="an-address-is-printed",
        ),
        pytest.param(
            ListcheckerConfig(entry_type=ADDRESSES),
            "localhost",
            denied("localhost is not a valid IP address", Code.INVALID_ARGUMENT),
            id="text-that-is-no-address",
        ),
        pytest.param(
            ListcheckerConfig(entry_type=ADDRESSES),
            b"\x0a\0\0",
            denied("?0a0000 is not a valid IP address", Code.INVALID_ARGUMENT),
            id="bytes-that-are-no-address",
        ),
        pytest.param(
            ListcheckerConfig(overrides=("1",)),
            1,
            denied("1 is not a valid string or IP address", Code.INVALID_ARGUMENT),
            id="a-number",
        ),
        pytest.param(
            ListcheckerConfig(),
            Timestamp(0),
            denied(
                "1970-01-01T00:00:00.000000Z is not a valid string or IP address",
                Code.INVALID_ARGUMENT,
            ),
            id="a-time",
        ),
        pytest.param(
            ListcheckerConfig(),
            None,
            denied(" is not a valid string or IP address", Code.INVALID_ARGUMENT),
            id="nothing",
        ),
        pytest.param(
            ListcheckerConfig(caching_interval=Duration.of(1.5), caching_use_count=3),
            "b",
            Verdict(Code.PERMISSION_DENIED, "b is not whitelisted", 1.5, 3),
            id="validity-as-configured",
        ),
        pytest.param(
            ListcheckerConfig(
                overrides=("b",), caching_interval=Duration.of(1.5), caching_use_count=3
            ),
            "b",
            Verdict(Code.OK, "", 1.5, 3),
            id="validity-of-a-yes",
        ),
    ],
)
async def test_the_answer_is(config: ListcheckerConfig, value: Value, verdict: Verdict) -> None:
    async with running(Listchecker, config) as checker:
        assert checker.check(ListEntry(value=value)) == verdict


async def test_denylist_denies_what_is_listed() -> None:
    async with running(Denylist, DenylistConfig(overrides=("eve",))) as checker:
        assert checker.check(ListEntry(value="eve")) == denied("eve is blacklisted")
        assert checker.check(ListEntry(value="bob")) == ALLOWED


def test_denylist_reads_the_params_of_listchecker_with_another_default() -> None:
    assert Denylist.config_type().blacklist
    assert not Listchecker.config_type().blacklist
    assert Denylist.verbs == Listchecker.verbs == {ListEntry: "check"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"provider_url": "lists"}, "provider_url: 'lists' does not", id="no-scheme"),
        pytest.param(
            {"provider_url": "file:///etc/passwd"}, "provider_url: 'file:///etc", id="a-file"
        ),
        pytest.param({"provider_url": "http:///x"}, "provider_url: .* no host", id="no-host"),
        pytest.param({"provider_url": "http://[::1"}, "provider_url: .* not a URL", id="no-url"),
        pytest.param({"provider_url": "http://a:b/"}, "provider_url: .* not a URL", id="bad-port"),
        pytest.param(
            {"provider_url": "http://a/", "refresh_interval": Duration.of(0.5)},
            "refresh_interval: '500ms' is less than 1s",
            id="refreshed-too-often",
        ),
        pytest.param(
            {"provider_url": "http://a/", "ttl": Duration.of(59)},
            "ttl: '59s' is less than the refresh_interval '1m0s'",
            id="forgotten-before-refreshed",
        ),
        pytest.param(
            {"caching_interval": Duration(-1)}, "caching_interval: '-1ns'", id="negative-caching"
        ),
        pytest.param(
            {"entry_type": REGEX, "overrides": ("a", "(")},
            r"overrides\[1\]: '\(' is not a regular expression of RE2: missing \)",
            id="bad-pattern",
        ),
        pytest.param(
            {"entry_type": REGEX, "overrides": ("a)|(b",)}, r"overrides\[0\]", id="half-a-pattern"
        ),
        *(
            pytest.param(
                {"entry_type": ADDRESSES, "overrides": (entry,)},
                r"overrides\[0\]: .* is neither an IP address nor a range",
                id=f"bad-address-{entry}",
            )
            for entry in (
                "", "a", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.0/255.0.0.0",
            )
        ),
    ],
)  # fmt: skip
async def test_it_refuses(config: dict[str, object], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Listchecker, ListcheckerConfig(**config)):  # type: ignore[arg-type]
            pass


async def test_intervals_do_not_matter_without_a_provider() -> None:
    config = ListcheckerConfig(refresh_interval=Duration(0), ttl=Duration(0), overrides=("a",))
    async with running(Listchecker, config) as checker:
        assert checker.check(ListEntry(value="a")) == ALLOWED


async def test_fetched_entries_and_overrides_are_one_list(provider: Provider) -> None:
    provider.body = b"v1\n\nv2"
    config = ListcheckerConfig(provider_url=provider.url, overrides=("v3",))
    async with running(Listchecker, config) as checker:
        allowed = [checker.check(ListEntry(value=v)) == ALLOWED for v in ("v1", "v2", "v3", "v4")]
        assert allowed == [True, True, True, False]


async def test_a_changed_list_is_used_after_the_next_fetch(provider: Provider) -> None:
    provider.body = b"v1"
    async with running(Listchecker, ListcheckerConfig(provider_url=provider.url)) as checker:
        provider.body = b"v2"
        assert checker.check(ListEntry(value="v1")) == ALLOWED
        await checker.refresh()
        assert checker.check(ListEntry(value="v1")) == denied("v1 is not whitelisted")
        assert checker.check(ListEntry(value="v2")) == ALLOWED
        assert provider.fetched == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, b"(", id="error"),
        pytest.param(204, b"", id="no-content"),
        pytest.param(404, b"v2", id="not-found"),
        pytest.param(200, b"good\n(", id="one-bad-entry"),
        pytest.param(200, b"\xff", id="not-utf-8"),
    ],
)
async def test_a_failed_fetch_keeps_the_list_until_its_time_is_over(
    provider: Provider, status: int, body: bytes
) -> None:
    provider.body, clock = b"^v1$", Clock()
    config = ListcheckerConfig(provider_url=provider.url, entry_type=REGEX, ttl=Duration.of(100))
    async with running(Listchecker, config, clock=clock) as checker:
        provider.status, provider.body = status, body
        clock.now = 99.0
        await checker.refresh()
        assert checker.check(ListEntry(value="v1")) == ALLOWED
        clock.now = 100.0
        with pytest.raises(NoList, match=r"test\.default has no list, since the last fetch of"):
            checker.check(ListEntry(value="v1"))
        provider.status, provider.body = 200, b"^v1$"
        await checker.refresh()
        assert checker.check(ListEntry(value="v1")) == ALLOWED


async def test_an_unchanged_list_lives_on(provider: Provider) -> None:
    provider.body, clock = b"v1", Clock()
    config = ListcheckerConfig(provider_url=provider.url, ttl=Duration.of(100))
    async with running(Listchecker, config, clock=clock) as checker:
        clock.now = 60.0
        await checker.refresh()
        clock.now = 159.0
        assert checker.check(ListEntry(value="v1")) == ALLOWED


async def test_a_list_that_is_only_late_lets_pass_without_a_say(provider: Provider) -> None:
    provider.body, clock = b"v1", Clock()
    config = ListcheckerConfig(provider_url=provider.url, ttl=Duration.of(100))
    async with running(Listchecker, config, clock=clock) as checker:
        clock.now = 100.0
        assert checker.check(ListEntry(value="v9")) == Verdict(Code.OK, "", 0, 0)
        await checker.refresh()
        assert checker.check(ListEntry(value="v9")) == denied("v9 is not whitelisted")


async def test_a_provider_that_is_down_fails_checks_but_not_the_handler() -> None:
    with serving() as gone:
        pass
    config = ListcheckerConfig(provider_url=gone.url, overrides=("v1",))
    async with running(Listchecker, config) as checker:
        with pytest.raises(NoList, match="Connection refused"):
            checker.check(ListEntry(value="v1"))


async def test_redirects_stay_with_http(provider: Provider) -> None:
    provider.status, provider.headers = 302, {"Location": "ftp://127.0.0.1/list"}
    async with running(Listchecker, ListcheckerConfig(provider_url=provider.url)) as checker:
        with pytest.raises(NoList, match="unknown url type: ftp"):
            checker.check(ListEntry(value="v1"))


async def test_a_list_without_end_is_refused(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "MAX_BYTES", 10)
    provider.body = b"v1\n" * 4
    async with running(Listchecker, ListcheckerConfig(provider_url=provider.url)) as checker:
        with pytest.raises(NoList, match="longer than 10 bytes"):
            checker.check(ListEntry(value="v1"))


@pytest.mark.parametrize(
    ("entry_type", "body", "entries"),
    [
        pytest.param(STRINGS, b"a\n\nb\r\n c \n", ["a", "b\r", " c "], id="lines-untrimmed"),
        pytest.param(STRINGS, b"", [], id="nothing"),
        pytest.param(ADDRESSES, b"whitelist: [10.0.0.1, '::1']", ["10.0.0.1", "::1"], id="yaml"),
        pytest.param(ADDRESSES, b'{"whitelist": ["10.0.0.0/8"]}', ["10.0.0.0/8"], id="json"),
        pytest.param(
            ADDRESSES, b"whitelist: [1:2:3:4:5:6:7:8]", ["1:2:3:4:5:6:7:8"], id="not-base-60"
        ),
    ],
)
def test_a_body_is_read_by_type(entry_type: EntryType, body: bytes, entries: list[str]) -> None:
    assert read(entry_type, body) == entries


@pytest.mark.parametrize(
    "body",
    [b"10.0.0.1", b"- 10.0.0.1", b"blacklist: []", b"whitelist: x", b"whitelist: [[]]", b"{"],
)
def test_addresses_come_as_a_list_under_the_key_whitelist(body: bytes) -> None:
    with pytest.raises(ValueError, match="the list "):
        read(ADDRESSES, body)


def test_patterns_too_many_for_one_automaton_are_searched_in_several() -> None:
    patterns = Patterns([f"^user{number}.{{1,200}}[a-z]{{50}}$" for number in range(400)])
    assert len(patterns._searches) > 1
    assert patterns.has_text("user399" + "x" * 60)
    assert not patterns.has_text("visitor7" + "x" * 60)


def test_a_long_list_of_ranges_is_looked_up_by_length_of_prefix() -> None:
    ranges = [f"10.{high}.{low}.0/24" for high in range(256) for low in range(256)]
    addresses = build(ADDRESSES, [*ranges, "192.0.2.1"])
    assert addresses.has_address(b"\x0a\xff\xff\xff")
    assert addresses.has_address(b"\xc0\0\x02\x01")
    assert not addresses.has_address(b"\xc0\0\x02\x02")
