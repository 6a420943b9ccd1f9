"""The params of the jwt adapter, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from mixer.adapter import Config, Duration, FieldProblem, Meta, Positive
from mixer.adapter.config import missing
from mixer.adapter.http import url_fault

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Those of key pairs. With a secret that both sides know, whoever checks tokens could make them."""


class Provider(Config, frozen=True):
    """Who issues tokens, and how they are known to be his."""

    issuer: Annotated[str, Meta(min_length=1)]
    """What the claim ``iss`` must say."""

    jwks_url: str = ""
    """Where his keys are (RFC 7517)."""

    jwks_file: str = ""
    """A file with his keys instead; read again when it changes."""

    ca_file: str = ""
    """For https: certificates of authorities in PEM; empty means those of the system."""

    audiences: tuple[str, ...] = ()
    """Of these the claim ``aud`` must name one; empty means that it may say anything."""

    algorithms: tuple[str, ...] = ALGORITHMS
    """How tokens may be signed."""


class JwtConfig(Config, frozen=True):
    """Params of jwt."""

    providers: tuple[Provider, ...] = ()
    """Whose tokens are accepted."""

    leeway: Annotated[Duration, Meta(ge=0)] = Duration.of(5)
    """By how much clocks may differ."""

    required_claims: tuple[str, ...] = ()
    """Claims that a token must have, beside exp."""

    caching_interval: Annotated[Duration, Meta(ge=0)] = Duration.of(60)
    """How long a sidecar may keep that a token is allowed; never longer than the token holds."""

    refresh_interval: Annotated[Duration, Meta(gt=0)] = Duration.of(300)
    """How often keys are fetched, and files looked at."""

    fetch_timeout: Annotated[Duration, Meta(gt=0)] = Duration.of(5)
    """How long fetching keys may take."""

    fetch_pause: Annotated[Duration, Meta(gt=0)] = Duration.of(10)
    """How long to wait before keys are fetched again, after that failed or for a token whose key
    is not known."""

    keep_keys: Annotated[Duration, Meta(gt=0)] = Duration.of(24 * 3600)
    """How long keys are used while no newer ones can be fetched."""

    known_tokens: Positive = 10_000
    """How many valid tokens are remembered, by their hash, so as not to check signatures again."""


def problems(config: JwtConfig) -> Iterable[FieldProblem]:
    """Find what is wrong beyond types, and what is not installed."""
    yield from missing("jwt", "jwt", "jwt")
    yield from missing("cryptography", "jwt", "jwt")
    if any(provider.jwks_url for provider in config.providers):
        yield from missing("aiohttp", "jwt", "jwt")
    if not config.providers:
        yield FieldProblem("providers", "no tokens are accepted", "add an entry for each issuer")
    seen: dict[str, int] = {}
    for number, provider in enumerate(config.providers):
        at = f"providers[{number}]"
        if seen.setdefault(provider.issuer, number) != number:
            reason = f"{provider.issuer!r} is that of providers[{seen[provider.issuer]}] too"
            yield FieldProblem(f"{at}.issuer", reason, "join them")
        if bool(provider.jwks_url) == bool(provider.jwks_file):
            reason = "keys are in one of jwksUrl and jwksFile"
            yield FieldProblem(at, reason, "give one of them")
        elif provider.jwks_url and (fault := url_fault(provider.jwks_url)):
            yield FieldProblem(f"{at}.jwks_url", fault)
        for place, algorithm in enumerate(provider.algorithms):
            if algorithm not in ALGORITHMS:
                hint = f"known here: {', '.join(ALGORITHMS)}"
                field = f"{at}.algorithms[{place}]"
                yield FieldProblem(field, f"{algorithm!r} signs with no key pair", hint)
