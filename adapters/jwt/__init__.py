"""
Checks JSON Web Tokens, and finds their claims.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: tokens}
    spec:
      adapter: jwt
      params:
        providers:
        - issuer: https://accounts.example.com
          jwksUrl: http://localhost:8080/keys
          audiences: [shop]

Instances of the template jwt are allowed where the token, with or without the word Bearer, is
signed by a key of its issuer and in force; those of jwtclaims find its claims, for rules, quotas
and reports::

    apiVersion: meshmixer.io/v1
    kind: rule
    metadata: {name: claims}
    spec:
      match: '"authorization" in request.headers'
      actions:
      - handler: tokens
        instances:
        - template: jwtclaims
          params: {token: 'request.headers["authorization"]'}
          attributeBindings:
            request.auth.principal: output.principal | ""
            request.auth.claims: output.claims | {}

Keys are fetched as the handler opens, every ``refreshInterval``, and for a token whose key is not
known; while they can't be, those there are stay in use for ``keepKeys``. Without any keys calls
fail, and the rule's ``onError`` says what becomes of them. A signature takes some 50 to 200 us to
check, on the event loop, so valid tokens are remembered by their hash.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256

from adapters.jwt.config import JwtConfig, Provider, problems
from adapters.jwt.keys import Keys
from adapters.jwt.tokens import BadToken, Claims, claims_of, verified
from mixer.adapter import (
    Adapter,
    Checks,
    Code,
    Env,
    FieldProblem,
    Generates,
    Instance,
    Output,
    Shape,
    Timestamp,
    Variety,
    Verdict,
    hookimpl,
)

__all__ = ["Jwt", "JwtClaims", "JwtClaimsOutput", "JwtConfig", "JwtToken", "Provider"]

USES = 10_000
_SECOND = 1_000_000_000


class JwtToken(Instance, frozen=True, gc=False):
    """A token to check."""

    template = "jwt"

    token: str = ""
    """The token, possibly after the word Bearer."""


class JwtClaimsOutput(Output, frozen=True):
    """What a token says; nothing but ``valid`` is set where it is not valid."""

    valid: bool | None = None
    """Whether it is."""

    principal: str | None = None
    """Issuer and subject, as ISSUER/SUBJECT."""

    issuer: str | None = None
    """The claim iss."""

    subject: str | None = None
    """The claim sub."""

    audiences: str | None = None
    """The claim aud, with commas between."""

    presenter: str | None = None
    """The claim azp."""

    expires: Timestamp | None = None
    """The claim exp."""

    claims: dict[str, str] | None = None
    """All claims as text: lists of texts with commas between, what has parts as JSON."""

    raw_claims: str | None = None
    """All claims as JSON."""


class JwtClaims(Instance, frozen=True, gc=False):
    """A token whose claims are to be found."""

    template = "jwtclaims"
    variety = Variety.ATTRIBUTE_GENERATOR
    output = JwtClaimsOutput

    token: str = ""
    """The token, possibly after the word Bearer."""


class Jwt(
    Adapter[JwtConfig],
    Checks[JwtToken],
    Generates[JwtClaims, JwtClaimsOutput],
    name="jwt",
):
    """
    Checks tokens by the keys of their issuers.

    A provider that is away keeps no handler from opening and costs nothing while there are keys.
    """

    def __init__(self, config: JwtConfig, env: Env) -> None:
        super().__init__(config, env)
        self._known: OrderedDict[bytes, Claims] = OrderedDict()
        """By hash; forgotten when keys change, as one of them may have been withdrawn."""
        forget = self._known.clear
        self._providers = {
            one.issuer: (one, Keys(one, config, env, forget)) for one in config.providers
        }

    @classmethod
    def problems(cls, config: JwtConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find what is wrong beyond types."""
        return problems(config)

    async def open(self) -> None:
        """Get the keys. Raises OSError and `BadFile` for files."""
        for _, keys in self._providers.values():
            await keys.open()

    async def close(self) -> None:
        """Fetch no more."""
        for _, keys in self._providers.values():
            await keys.close()

    async def check(self, instance: JwtToken, /) -> Verdict:
        """Decide whether the token is valid. Raises `Unavailable` where there are no keys."""
        try:
            claims = await self._claims(instance.token)
        except BadToken as error:
            return Verdict.deny(str(error), code=Code.UNAUTHENTICATED)
        left = claims.expires / _SECOND + self.config.leeway.seconds - self.env.now() / _SECOND
        return Verdict(Code.OK, "", min(self.config.caching_interval.seconds, left), USES)

    async def generate(self, instance: JwtClaims, /) -> JwtClaimsOutput:
        """Tell what the token says. Raises `Unavailable` where there are no keys."""
        try:
            claims = await self._claims(instance.token)
        except BadToken:
            return JwtClaimsOutput(valid=False)
        return JwtClaimsOutput(
            valid=True,
            principal=f"{claims.issuer}/{claims.subject}" if claims.subject else None,
            issuer=claims.issuer,
            subject=claims.subject or None,
            audiences=claims.texts.get("aud"),
            presenter=claims.texts.get("azp"),
            expires=Timestamp(claims.expires),
            claims=dict(claims.texts),
            raw_claims=claims.raw,
        )

    async def _claims(self, said: str) -> Claims:
        """The claims of a valid token. Raises `BadToken` and `Unavailable`."""
        token = _bare(said)
        if not token:
            raise BadToken("a token is required")
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            known.check_time(self.env.now(), self.config.leeway)
            return known
        unproven = claims_of(token)
        provider, keys = self._providers.get(unproven.issuer, (None, None))
        if provider is None or keys is None:
            raise BadToken("the issuer of the token is not known")
        if unproven.algorithm not in provider.algorithms:
            raise BadToken("the token is signed in a way that is not allowed")
        unproven.check(provider.audiences, self.config.required_claims)
        unproven.check_time(self.env.now(), self.config.leeway)
        candidates = await keys.find(unproven.key, unproven.algorithm)
        if not candidates:
            raise BadToken("the key of the token is not known")
        if not any(verified(token, one.key, unproven.algorithm) for one in candidates):
            raise BadToken("the signature of the token is wrong")
        self._known[digest] = unproven
        if len(self._known) > self.config.known_tokens:
            self._known.popitem(last=False)
        return unproven


def _bare(said: str) -> str:
    word, _, rest = said.strip().partition(" ")
    return rest.strip() if word.lower() == "bearer" else said.strip()


@hookimpl
def mixer_adapters() -> list[type[Jwt]]:
    """Offer the adapter at the plugin door."""
    return [Jwt]
