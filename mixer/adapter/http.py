"""
HTTP back ends: where one is, how to speak to it, and a client that tells outages from refusals.

Needs the extra ``meshmixer[http]``. Proxies of the environment are not asked, redirects are not
followed, and no cookies are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mixer.adapter.base import Env
from mixer.adapter.config import Config, FieldProblem, missing
from mixer.adapter.outages import Refused, Unavailable

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer; a longer one is refused."""

CONNECTIONS = 100
"""Connections of one handler, at most."""

_EXCERPT = 200
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses that may be others the next time."""


class HttpPeer(Config, frozen=True):
    """Where an HTTP service is, and how to speak to it."""

    url: str = ""
    """Its address, http or https."""

    headers: dict[str, str] = {}
    """Headers to send with each request."""

    bearer_token_file: str = ""
    """A file with the token to send as `authorization: Bearer`; read again as it changes."""

    ca_file: str = ""
    """For https: certificates of authorities in PEM; empty means those of the system."""

    certificate_file: str = ""
    """For https: our certificate in PEM, where the service wants one."""

    key_file: str = ""
    """For https: its key."""


def url_fault(url: str) -> str | None:
    """Say what is wrong with *url*, None where it is one of http or https."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises on a port that is no number
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{url!r} does not begin with 'http://' or 'https://'"
    if not parts.hostname:
        return f"{url!r} names no host"
    return None


def http_problems(peer: HttpPeer, adapter: str) -> Iterable[FieldProblem]:
    """Find what is wrong with *peer*, and the library that *adapter* lacks."""
    yield from missing("aiohttp", "http", adapter)
    yield from peer_problems(peer)


def peer_problems(peer: HttpPeer) -> Iterable[FieldProblem]:
    """Find what is wrong with *peer*."""
    if fault := url_fault(peer.url):
        yield FieldProblem("url", fault)
    if bool(peer.certificate_file) != bool(peer.key_file):
        missing = "key_file" if peer.certificate_file else "certificate_file"
        yield FieldProblem(missing, "a certificate and its key go together")
    for name in peer.headers:
        if not name or not name.isascii() or set(name) & set(" :\r\n\t"):
            yield FieldProblem("headers", f"{name!r} is no name of a header")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""

    body: bytes


class Token:
    """A token in a file, read again where that has changed."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._token, self._stamp = "", -1

    def read(self) -> str:
        """The token. Raises OSError."""
        stamp = self._file.stat().st_mtime_ns
        if stamp != self._stamp:
            self._token, self._stamp = self._file.read_text(encoding="utf-8").strip(), stamp
        return self._token


class Http:
    """A client of one service, for the event loop of its handler; see `connected`."""

    def __init__(self, peer: HttpPeer, session: Any, library: Any) -> None:
        self._peer = peer
        self._session = session
        self._library = library
        self._token = Token(peer.bearer_token_file)

    async def ask(
        self,
        method: str,
        url: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Send a request, to the peer's own *url* where none is given, and return the answer.

        Raises `Unavailable` where none comes, and `Refused` where it is too long.
        """
        asked = url or self._peer.url
        try:
            async with self._session.request(
                method,
                asked,
                data=body or None,
                headers=self._headers(headers),
                allow_redirects=False,
            ) as response:
                content = bytearray()
                async for some in response.content.iter_any():
                    content += some
                    if len(content) > MAX_ANSWER:
                        raise Refused(f"{asked}: the answer is longer than {MAX_ANSWER} bytes")
        except (self._library.ClientError, OSError) as error:
            raise Unavailable(f"{asked}: {str(error) or type(error).__name__}") from None
        return Answer(response.status, response.headers, bytes(content))

    async def deliver(
        self,
        body: bytes,
        content_type: str,
        url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Post *body*, to the peer's own *url* where none is given; return an answer of success.

        Raises `Unavailable` for statuses that may pass, with the time the service asked for, and
        `Refused` for all others.
        """
        sent = {"content-type": content_type, **(headers or {})}
        answer = await self.ask("POST", url, body, sent)
        if 200 <= answer.status < 300:
            return answer
        raise fault_of(answer, url or self._peer.url)

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        headers = {**self._peer.headers, **(more or {})}
        if self._peer.bearer_token_file:
            headers["authorization"] = f"Bearer {self._token.read()}"
        return headers


async def connected(peer: HttpPeer, env: Env) -> Http:
    """
    Make a client; connections are made as they are needed.

    Raises OSError where a file of certificates can't be read.
    """
    library = await env.work(import_module, "aiohttp")  # it takes a while
    secured: Any = True
    if urlsplit(peer.url).scheme == "https" and (peer.ca_file or peer.certificate_file):
        import ssl

        secured = ssl.create_default_context(cafile=peer.ca_file or None)
        if peer.certificate_file:
            secured.load_cert_chain(peer.certificate_file, peer.key_file)
    session = library.ClientSession(
        connector=library.TCPConnector(limit=CONNECTIONS, ssl=secured),
        cookie_jar=library.DummyCookieJar(),
        timeout=library.ClientTimeout(total=None),  # the host's applies
        auto_decompress=True,
        trust_env=False,
    )
    return Http(peer, session, library)


def fault_of(answer: Answer, url: str) -> Unavailable | Refused:
    """What to raise for an *answer* that is none of success."""
    excerpt = answer.body[:_EXCERPT].decode("utf-8", "replace").strip()
    reason = f"{url} answered {answer.status}" + (f": {excerpt}" if excerpt else "")
    if answer.status in _PASSING:
        return Unavailable(reason, after=_retry_after(answer))
    return Refused(reason)


def _retry_after(answer: Answer) -> float:
    """Seconds that the service asked for (RFC 9110, 10.2.3)."""
    said = answer.headers.get("retry-after", "")
    if said.isdecimal():
        return float(min(int(said), 3600))
    try:
        wanted, now = (parsedate_to_datetime(x) for x in (said, answer.headers.get("date", "")))
        return min(max((wanted - now).total_seconds(), 0.0), 3600.0)
    except (TypeError, ValueError):
        return 0.0
