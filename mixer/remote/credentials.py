"""What a mixer shows to an adapter of another process: tokens from a file, or by OAuth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from mixer.adapter.base import Env
from mixer.adapter.http import Http, HttpPeer, Token, connected, fault_of
from mixer.adapter.outages import Unavailable
from mixer.remote.connection import AuthHeader, OAuth, Tls

MARGIN = 30.0
"""Seconds before its end at which a token is fetched anew."""

LASTING = 3600.0
"""Seconds that a token is used of which nobody said how long it lasts."""


class Shown(Protocol):
    """What goes with each call, to tell who asks."""

    async def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of the call. Raises `Unavailable` or OSError where there is no token."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


class Nothing:
    """Nobody proves anything by a header."""

    async def headers(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def close(self) -> None:
        return


class FromFile:
    """A token in a file, read again where that has changed."""

    def __init__(self, said: Tls) -> None:
        self._token = Token(said.token_path)
        self._header = said.custom_header.lower() or "authorization"
        self._word = "Bearer " if said.auth_header is AuthHeader.BEARER else ""

    async def headers(self) -> tuple[tuple[str, str], ...]:
        return ((self._header, f"{self._word}{self._token.read()}"),)

    async def close(self) -> None:
        return


class Fetched:
    """A token by OAuth's client credentials (RFC 6749, 4.4), kept until shortly before its end."""

    def __init__(self, said: OAuth, http: Http, clock: Callable[[], float]) -> None:
        self._said, self._http, self._clock = said, http, clock
        self._secret = Token(said.client_secret)
        self._token, self._until = "", 0.0
        self._fetching = asyncio.Lock()

    async def headers(self) -> tuple[tuple[str, str], ...]:
        async with self._fetching:  # one request, however many calls wait for the token
            if self._clock() >= self._until:
                await self._fetch()
        return (("authorization", f"Bearer {self._token}"),)

    async def close(self) -> None:
        await self._http.close()

    async def _fetch(self) -> None:
        said = self._said
        form = {
            **said.endpoint_params,
            "grant_type": "client_credentials",
            "client_id": said.client_id,
            "client_secret": self._secret.read(),
        }
        if said.scopes:
            form["scope"] = " ".join(said.scopes)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._http.ask("POST", "", urlencode(form).encode(), headers)
        if answer.status != 200:
            raise fault_of(answer, said.token_url)
        try:
            found = json.loads(answer.body)
            token, lasting = found["access_token"], float(found.get("expires_in", LASTING))
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{said.token_url} answered no token: {error!r}") from None
        self._token, self._until = str(token), self._clock() + max(lasting - MARGIN, lasting / 2)


async def shown(tls: Tls | None, env: Env) -> Shown:
    """What goes with each call. Raises OSError where the file of a token can't be read."""
    if tls is None:
        return Nothing()
    if tls.oauth is not None:
        Token(tls.oauth.client_secret).read()
        peer = HttpPeer(url=tls.oauth.token_url, ca_file=tls.ca_certificates)
        return Fetched(tls.oauth, await connected(peer, env), env.clock)
    found = FromFile(tls)
    await found.headers()
    return found


def roots(tls: Tls) -> bytes | None:
    """Certificates of the authorities to trust, None for those that gRPC brings."""
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    files = [system] if system.exists() else []
    if tls.ca_certificates:
        files.append(Path(tls.ca_certificates))
    return b"\n".join(file.read_bytes() for file in files) or None
