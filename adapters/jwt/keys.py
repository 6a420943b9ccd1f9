"""The keys of one provider, from a file or a URL, as fresh as can be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from adapters.jwt.config import JwtConfig, Provider
from mixer.adapter import Env, Unavailable
from mixer.adapter.files import BadFile, Followed
from mixer.adapter.http import Http, HttpPeer, connected

_PAIRS = frozenset({"RSA", "EC", "OKP"})
"""Kinds of keys that have a public part; any other is a secret and none of ours."""

_UNNAMED = 4
"""So many keys are tried at most for a token that names none."""


class PublicKey(NamedTuple):
    """One key of a set."""

    name: str
    """The ``kid``; empty where it has none."""

    algorithm: str
    """The only one it is for; empty where it does not say."""

    kind: str
    """RSA, EC or OKP."""

    key: Any


class Keys:
    """The keys of a provider, while the handler is open."""

    def __init__(
        self, provider: Provider, config: JwtConfig, env: Env, changed: Callable[[], None]
    ) -> None:
        """*changed* is told when keys may be others than before."""
        self._provider, self._config, self._env = provider, config, env
        self._changed = changed
        self._keys: Sequence[PublicKey] = ()
        self._said = b""
        self._fetched_at = self._tried_at = float("-inf")
        self._http: Http | None = None
        self._fetching = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._file: Followed[Sequence[PublicKey]] | None = None
        if provider.jwks_file:
            every = config.refresh_interval
            self._file = Followed(provider.jwks_file, every, _read, self._take, env)

    async def open(self) -> None:
        """
        Get the keys. Raises OSError and `BadFile` for a file.

        A URL that does not answer keeps no handler from opening: it is tried again.
        """
        if self._file is not None:
            await self._file.open()
            return
        peer = HttpPeer(url=self._provider.jwks_url, ca_file=self._provider.ca_file)
        self._http = await connected(peer, self._env)
        await self._fetch()
        self._renewing = self._env.spawn(self._renew(), f"keys of {self._provider.issuer}")

    async def close(self) -> None:
        """Fetch no more."""
        if self._file is not None:
            await self._file.close()
        renewing, self._renewing = self._renewing, None
        if renewing is not None:
            renewing.cancel()
            await asyncio.wait({renewing})
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def find(self, name: str, algorithm: str) -> Sequence[PublicKey]:
        """
        The keys by which a token may be signed that names one, or none.

        One that is not known is looked for, but not more often than every `fetch_pause`. Raises
        `Unavailable` where there are no keys.
        """
        found = self._known(name, algorithm)
        if not found and self._http is not None:
            since = self._env.clock() - self._tried_at
            if since >= self._config.fetch_pause.seconds:
                await self._fetch()
                found = self._known(name, algorithm)
        if not self._keys:
            raise Unavailable(f"there are no keys of {self._provider.issuer}")
        return found

    def _known(self, name: str, algorithm: str) -> Sequence[PublicKey]:
        fitting = [
            key
            for key in self._keys
            if key.algorithm in ("", algorithm) and key.kind == _kind_of(algorithm)
        ]
        if name:
            return [key for key in fitting if key.name == name]
        return fitting[:_UNNAMED]

    def _take(self, keys: Sequence[PublicKey]) -> None:
        self._keys = keys
        self._changed()

    async def _renew(self) -> None:
        while True:
            fresh = self._fetched_at == self._tried_at
            pause = self._config.refresh_interval if fresh else self._config.fetch_pause
            await asyncio.sleep(pause.seconds)
            await self._fetch()

    async def _fetch(self) -> None:
        """Fetch the keys; where that fails, those there are stay for a while."""
        before = self._tried_at
        async with self._fetching:
            if self._tried_at != before or self._http is None:
                return  # somebody else has, while we waited
            clock, config = self._env.clock, self._config
            try:
                async with asyncio.timeout(config.fetch_timeout.seconds):
                    answer = await self._http.ask("GET")
                if answer.status != 200:
                    raise BadFile(f"it answered {answer.status}")
                if answer.body != self._said:
                    self._take(public_keys(answer.body))
                    self._said = answer.body
                self._tried_at = self._fetched_at = clock()
            except (Unavailable, BadFile, OSError) as error:
                self._tried_at = clock()
                if self._tried_at - self._fetched_at > config.keep_keys.seconds:
                    self._take(())
                    self._said = b""
                self._env.log.warning(
                    "keys of tokens can't be fetched",
                    handler=self._env.name,
                    url=self._provider.jwks_url,
                    error=str(error) or "no answer in time",
                    keys_in_use=len(self._keys),
                )


def public_keys(said: bytes) -> Sequence[PublicKey]:
    """
    The keys for signatures in a set (RFC 7517, 5); others are passed over.

    Raises `BadFile` where it is no set, or has none.
    """
    import jwt

    try:
        entries = json.loads(said)["keys"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"it is no set of keys: {error!r}") from None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or entry.get("kty") not in _PAIRS:
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(_public(entry)).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue  # of a curve, or a form, that we do not know
        name, algorithm = str(entry.get("kid") or ""), str(entry.get("alg") or "")
        found.append(PublicKey(name, algorithm, str(entry["kty"]), key))
    if not found:
        raise BadFile("it has no keys for signatures")
    return found


_LEFT_OUT = frozenset({"d", "p", "q", "dp", "dq", "qi", "alg"})


def _public(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without the private part that it should never have had, for any algorithm."""
    return {name: value for name, value in entry.items() if name not in _LEFT_OUT}


def _kind_of(algorithm: str) -> str:
    return {"R": "RSA", "P": "RSA", "E": "EC"}[algorithm[0]] if algorithm != "EdDSA" else "OKP"


def _read(file: Path) -> Sequence[PublicKey]:
    """The keys in a *file*; blocks. Raises OSError and `BadFile`."""
    try:
        return public_keys(file.read_bytes())
    except BadFile as error:
        raise BadFile(f"{file}: {error}") from None
