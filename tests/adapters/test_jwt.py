"""jwt: which tokens are valid, where keys come from, and what becomes of claims."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import jwt as library
import pytest
import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters.jwt import Jwt, JwtClaims, JwtClaimsOutput, JwtConfig, JwtToken, Provider
from adapters.jwt.tokens import BadToken, claims_of
from mixer.adapter import Code, Duration, Timestamp, Unavailable
from mixer.adapter.files import BadFile
from mixer.adapter.testing import Rejected, running
from tests.http_service import Service, service

START = 1_767_225_600
ISSUER = "https://issuer.example"


@cache
def pair(name: str) -> Any:
    """A key pair, the same each time."""
    match name.partition("-")[0]:
        case "ec":
            return ec.generate_private_key(ec.SECP256R1())
        case "ed":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public part as a provider tells it."""
    public = pair(name).public_key()
    makers = {"ec": ECAlgorithm, "ed": OKPAlgorithm}
    made = makers.get(name.partition("-")[0], RSAAlgorithm).to_jwk(public)
    return {**json.loads(made), "kid": name, **more}


def keys(*names: str) -> bytes:
    return json.dumps({"keys": [jwk(name) for name in names]}).encode()


def token(name: str = "rsa", algorithm: str = "RS256", kid: str | None = "", **claims: Any) -> str:
    """A token signed by *name*; a claim of None is left out."""
    said = {"iss": ISSUER, "sub": "ann", "aud": "shop", "exp": START + 600} | claims
    payload = {claim: value for claim, value in said.items() if value is not None}
    headers = {"kid": kid or name} if kid is not None else {}
    return library.encode(payload, pair(name), algorithm, headers)


class Clock:
    """Both clocks of a handler."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> int:
        return int((START + self.seconds) * 1_000_000_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "keys.json"
    found.write_bytes(keys("rsa", "ec", "ed"))
    return found


def params(file: Path | None = None, url: str = "", **more: Any) -> JwtConfig:
    provider = {"issuer": ISSUER, "audiences": ("shop",), "jwks_url": url}
    provider |= {name: more.pop(name) for name in ("audiences", "algorithms") if name in more}
    if file is not None:
        provider["jwks_file"] = str(file)
    return JwtConfig(providers=(Provider(**provider),), **more)  # type: ignore[arg-type]


async def asked(config: JwtConfig, said: str, clock: Clock | None = None) -> tuple[int, str, float]:
    clock = clock or Clock()
    async with running(Jwt, config, clock=clock, now=clock.now) as adapter:
        verdict = await adapter.check(JwtToken(token=said))
        found = await adapter.generate(JwtClaims(token=said))
    assert found.valid is (verdict.code == Code.OK)
    return verdict.code, verdict.message, verdict.valid_for


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [("rsa", "RS256"), ("rsa", "RS512"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")],
)
async def test_a_token_of_the_issuer_is_allowed(file: Path, name: str, algorithm: str) -> None:
    for said in (
        token(name, algorithm),
        f"Bearer {token(name, algorithm)}",
        f"bearer  {token(name, algorithm, kid=None)}",
    ):
        assert await asked(params(file), said) == (Code.OK, "", 60)


UNSIGNED = library.encode({"iss": ISSUER, "aud": "shop", "exp": START + 600}, "", "none")
PUBLIC = pair("rsa").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def with_secret() -> str:
    """Signed with the public key as though it were a secret (the confusion of HS and RS)."""

    def part(said: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")

    signed = (
        part({"alg": "HS256", "kid": "rsa"})
        + b"."
        + part({"iss": ISSUER, "aud": "shop", "exp": START + 600})
    )
    mac = hmac.new(PUBLIC, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "a token is required"),
        ("Bearer ", "a token is required"),
        ("x.y.z", "the token is malformed"),
        ("Basic YTpi", "the token is malformed"),
        (token(iss="https://other.example"), "the issuer of the token is not known"),
        (token(iss=None), "the issuer of the token is not known"),
        (token(sub=None, aud=None), "the token is for another audience"),
        (token(aud=["bank", "mail"]), "the token is for another audience"),
        (token(exp=START - 5), "the token has expired"),
        (token(exp=None), "the token lacks the claim 'exp'"),
        (token(nbf=START + 6), "the token is not in force yet"),
        (token("other", kid="rsa"), "the signature of the token is wrong"),
        (token("other"), "the key of the token is not known"),
        (token("ec", "ES256", kid="rsa"), "the key of the token is not known"),
        (UNSIGNED, "the token is signed in a way that is not allowed"),
        (with_secret(), "the token is signed in a way that is not allowed"),
        (token() + "A" * 20_000, "the token is too long"),
    ],
)  # fmt: skip
async def test_any_other_token_is_not(file: Path, said: str, why: str) -> None:
    assert (await asked(params(file), said))[:2] == (Code.UNAUTHENTICATED, why)


async def test_an_algorithm_that_is_not_allowed_is_not(file: Path) -> None:
    code, why, _ = await asked(params(file, algorithms=("ES256",)), token())
    assert (code, why) == (Code.UNAUTHENTICATED, "the token is signed in a way that is not allowed")


async def test_a_key_is_only_for_the_algorithm_it_says(file: Path) -> None:
    file.write_text(json.dumps({"keys": [jwk("rsa", alg="RS512")]}))
    assert (await asked(params(file), token()))[1] == "the key of the token is not known"
    assert (await asked(params(file), token("rsa", "RS512")))[0] == Code.OK


async def test_claims_may_be_required(file: Path) -> None:
    config = params(file, required_claims=("email",))
    assert (await asked(config, token()))[1] == "the token lacks the claim 'email'"
    assert (await asked(config, token(email="a@a.example")))[0] == Code.OK


async def test_a_verdict_holds_no_longer_than_the_token(file: Path) -> None:
    clock = Clock()
    assert await asked(params(file), token(exp=START + 10), clock) == (Code.OK, "", 15)


async def test_a_token_that_was_valid_expires(file: Path) -> None:
    clock = Clock()
    async with running(Jwt, params(file), clock=clock, now=clock.now) as adapter:
        said = JwtToken(token=token())
        assert (await adapter.check(said)).code == Code.OK
        clock.seconds = 604
        assert (await adapter.check(said)).code == Code.OK
        clock.seconds = 605
        assert (await adapter.check(said)).message == "the token has expired"


async def test_claims_become_attributes(file: Path) -> None:
    said = token(
        aud=["shop", "bank"], azp="app", groups=["a", "b"], level=3, ok=True, deep={"x": [1]}
    )
    clock = Clock()
    async with running(Jwt, params(file), now=clock.now) as adapter:
        found = await adapter.generate(JwtClaims(token=said))
        assert await adapter.generate(JwtClaims(token="x")) == JwtClaimsOutput(valid=False)
    assert found.valid
    assert found.principal == f"{ISSUER}/ann"
    assert (found.issuer, found.subject, found.presenter) == (ISSUER, "ann", "app")
    assert found.audiences == "shop,bank"
    assert found.expires == Timestamp((START + 600) * 1_000_000_000)
    assert found.claims is not None
    assert {name: found.claims[name] for name in ("groups", "level", "ok", "deep")} == {
        "groups": "a,b", "level": "3", "ok": "true", "deep": '{"x":[1]}',
    }  # fmt: skip
    assert json.loads(found.raw_claims or "")["level"] == 3


@settings(deadline=None, max_examples=200)
@given(st.data())
async def test_no_change_of_a_token_leaves_it_valid(data: st.DataObject) -> None:
    said = token()
    at = data.draw(st.integers(0, len(said) - 1))
    letter = data.draw(st.characters(codec="ascii"))
    changed = said[:at] + letter + said[at + 1 :]
    # The last letter of a part has bits that mean nothing.
    same = [library.utils.base64url_decode(part) for part in said.split(".")]
    try:
        claims_of(changed)
        if [library.utils.base64url_decode(part) for part in changed.split(".")] == same:
            return
    except (BadToken, ValueError):
        pass
    file = Path(os.environ["PYTEST_KEYS"])
    assert (await asked(params(file), changed))[0] == Code.UNAUTHENTICATED


@pytest.fixture(autouse=True)
def keys_file(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hypothesis finds keys, which gets no fixtures of a function."""
    found = tmp_path_factory.mktemp("keys") / "keys.json"
    found.write_bytes(keys("rsa", "ec", "ed"))
    monkeypatch.setenv("PYTEST_KEYS", str(found))


async def test_a_file_of_keys_is_followed_and_a_withdrawn_key_is_one(file: Path) -> None:
    clock = Clock()
    async with running(Jwt, params(file), now=clock.now) as adapter:
        said = JwtToken(token=token())
        assert (await adapter.check(said)).code == Code.OK
        _, followed = next(iter(adapter._providers.values()))
        file.write_bytes(keys("ec"))
        os.utime(file, ns=(0, 1))
        assert followed._file is not None
        await followed._file.refresh()
        assert (await adapter.check(said)).message == "the key of the token is not known"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "no set of keys"),
        ("x", "no set of keys"),
        ('{"keys": []}', "no keys for signatures"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}, 7, {"kty": "RSA"}]}', "no keys for sign"),
    ],
)
async def test_a_file_without_keys_keeps_the_handler_from_opening(
    file: Path, text: str, why: str
) -> None:
    file.write_text(text)
    with pytest.raises(BadFile, match=why):
        async with running(Jwt, params(file)):
            pass


@pytest.fixture
async def provider() -> AsyncIterator[Service]:
    async with service() as found:
        found.usual = lambda seen: web.Response(body=keys("rsa"))
        yield found


async def test_keys_are_fetched_and_a_new_one_is_looked_for_now_and_then(provider: Service) -> None:
    clock = Clock()
    config = params(url=f"{provider.url}/keys")
    async with running(Jwt, config, clock=clock, now=clock.now) as adapter:
        assert (await adapter.check(JwtToken(token=token()))).code == Code.OK
        assert len(provider.seen) == 1
        fresh = JwtToken(token=token("other"))
        for _ in range(3):
            assert (await adapter.check(fresh)).message == "the key of the token is not known"
        assert len(provider.seen) == 1, "keys were fetched a moment ago"
        clock.seconds = 10
        for _ in range(3):
            await adapter.check(fresh)
        assert len(provider.seen) == 2
        provider.usual = lambda seen: web.Response(body=keys("other"))
        clock.seconds = 20
        assert (await adapter.check(fresh)).code == Code.OK
        assert (await adapter.check(JwtToken(token=token()))).code == Code.UNAUTHENTICATED


async def test_keys_stay_in_use_while_the_provider_is_away(provider: Service) -> None:
    clock = Clock()
    config = params(url=provider.url, keep_keys=Duration.of(100))
    known, other = JwtToken(token=token(exp=START + 10_000)), JwtToken(token=token("other"))
    with structlog.testing.capture_logs() as log:
        async with running(Jwt, config, clock=clock, now=clock.now) as adapter:
            provider.usual = lambda seen: web.Response(status=503)
            clock.seconds = 100
            await adapter.check(other)
            assert (await adapter.check(known)).code == Code.OK
            clock.seconds = 111
            with pytest.raises(Unavailable, match=f"there are no keys of {ISSUER}"):
                await adapter.check(other)
            with pytest.raises(Unavailable):
                await adapter.check(known)
    assert [line["error"] for line in log] == ["it answered 503"] * 2


async def test_a_provider_that_is_away_at_first_is_asked_again(provider: Service) -> None:
    clock = Clock()
    provider.answers = [web.Response(status=500)]
    with structlog.testing.capture_logs():
        async with running(Jwt, params(url=provider.url), clock=clock, now=clock.now) as adapter:
            with pytest.raises(Unavailable):
                await adapter.check(JwtToken(token=token()))
            clock.seconds = 10
            assert (await adapter.check(JwtToken(token=token()))).code == Code.OK


async def test_valid_tokens_are_remembered_and_no_more_than_said(file: Path) -> None:
    clock = Clock()
    async with running(Jwt, params(file, known_tokens=3), now=clock.now) as adapter:
        for number in range(5):
            await adapter.check(JwtToken(token=token(sub=str(number))))
        assert len(adapter._known) == 3
        await adapter.check(JwtToken(token="x.y.z"))
        assert len(adapter._known) == 3


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (JwtConfig(), "providers: no tokens are accepted"),
        (params(), "keys are in one of jwksUrl and jwksFile"),
        (params(url="ftp://x"), "jwks_url: .* does not begin with"),
        (params(Path("x"), algorithms=("HS256",)), r"algorithms\[0\]: 'HS256' signs with no key"),
        (JwtConfig(providers=params(Path("x")).providers * 2), "is that of providers.0. too"),
    ],
)
async def test_it_refuses(config: JwtConfig, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        async with running(Jwt, config):
            pass
