"""The kit's HTTP client tells what may pass from what is final, and bounds what it reads."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
from aiohttp import web

from mixer.adapter import Env, Refused, Unavailable, http
from mixer.adapter import config as kit_config
from mixer.adapter.http import Http, HttpPeer, connected, http_problems, peer_problems
from mixer.adapter.tasks import Tasks
from tests.http_service import service


@asynccontextmanager
async def client(url: str, **words: Any) -> AsyncIterator[Http]:
    log = structlog.get_logger()
    env = Env("test", log, lambda *_: None, Tasks("test", log))
    made = await connected(HttpPeer(url=url, **words), env)
    try:
        yield made
    finally:
        await made.close()
        await env.tasks.end()


async def test_a_body_is_posted_with_all_headers() -> None:
    async with service() as peer, client(peer.url + "/in", headers={"X-Scope": "shop"}) as made:
        answer = await made.deliver(b"[]", "application/json")
    assert answer.status == 200
    (seen,) = peer.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/in", b"[]")
    assert (seen.headers["content-type"], seen.headers["x-scope"]) == ("application/json", "shop")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_an_outage_with_the_time_that_was_asked_for(status: int) -> None:
    async with service() as peer, client(peer.url) as made:
        peer.answers = [web.Response(status=status, headers={"retry-after": "7"}, text="busy")]
        with pytest.raises(Unavailable, match=f"answered {status}: busy") as failed:
            await made.deliver(b"x", "text/plain")
        assert failed.value.after == 7


async def test_a_date_to_come_back_at_is_understood() -> None:
    headers = {
        "date": "Wed, 21 Oct 2026 07:28:00 GMT",
        "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
    }
    async with service() as peer, client(peer.url) as made:
        for said, seconds in ((headers, 30.0), ({"retry-after": "soon"}, 0.0)):
            peer.answers = [web.Response(status=503, headers=said)]
            with pytest.raises(Unavailable) as failed:
                await made.deliver(b"x", "text/plain")
            assert failed.value.after == seconds


@pytest.mark.parametrize("status", [301, 400, 401, 404, 501])
async def test_other_statuses_are_final_and_redirects_not_followed(status: int) -> None:
    async with service() as peer, client(peer.url) as made:
        peer.answers = [web.Response(status=status, headers={"location": peer.url + "/else"})]
        with pytest.raises(Refused, match=f"answered {status}"):
            await made.deliver(b"x", "text/plain")
    assert len(peer.seen) == 1


async def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 1000)
    async with service() as peer, client(peer.url) as made:
        peer.answers = [web.Response(body=b"x" * 1000), web.Response(body=b"x" * 1001)]
        assert len((await made.ask("GET")).body) == 1000
        with pytest.raises(Refused, match="longer than 1000 bytes"):
            await made.ask("GET")


async def test_nobody_home_is_an_outage() -> None:
    async with service() as peer:
        url = peer.url
    async with client(url) as made:
        with pytest.raises(Unavailable, match=url):
            await made.ask("GET")


async def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    async with service() as peer, client(peer.url, bearer_token_file=str(file)) as made:
        await made.ask("GET")
        file.write_text("two two\n")
        await made.ask("GET")
        file.unlink()
        with pytest.raises(Unavailable, match="token"):
            await made.ask("GET")
    assert [one.headers["authorization"] for one in peer.seen] == ["Bearer one", "Bearer two two"]


async def test_it_knows_whom_to_trust_and_shows_its_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    theirs, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("mixer")
    files = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(files["ca"])
    ours.cert_chain_pems[0].write_to_path(files["cert"])
    ours.private_key_pem.write_to_path(files["key"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    known = {"ca_file": files["ca"]}
    shown = {"certificate_file": files["cert"], "key_file": files["key"]}
    async with service(tls) as peer:
        async with client(peer.url, **known, **shown) as made:
            assert (await made.ask("GET")).status == 200
        for words in (known, shown):
            async with client(peer.url, **words) as made:
                with pytest.raises(Unavailable):
                    await made.ask("GET")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"url": "nowhere"}, ("url", "'nowhere' does not begin with 'http://' or 'https://'")),
        ({"url": "http://"}, ("url", "'http://' names no host")),
        (
            {"url": "http://a", "key_file": "k"},
            ("certificate_file", "a certificate and its key go together"),
        ),
        ({"url": "http://a", "headers": {"a b": "c"}}, ("headers", "'a b' is no name of a header")),
    ],
)
def test_what_is_wrong_with_a_peer_is_told(words: dict[str, Any], told: tuple[str, str]) -> None:
    assert [(one.field, one.reason) for one in peer_problems(HttpPeer(**words))] == [told]


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_config, "find_spec", lambda name: None)
    (found,) = http_problems(HttpPeer(url="http://a"), "zipkin")
    assert (found.reason, found.suggestion) == (
        "zipkin needs the package aiohttp",
        "pip install 'meshmixer[http]'",
    )
