"""Where an adapter of another process listens, and how both sides prove who they are."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from attributes import Duration
from mixer.adapter.config import Config, FieldProblem, missing
from mixer.adapter.http import url_fault

SESSION = "meshmixer.io/session"
"""Type of what stands in place of the params where a session has been told them: its id."""


class AuthHeader(IntEnum):
    """How a token stands in the header ``authorization``."""

    PLAIN = 0
    """As it is."""

    BEARER = 1
    """After the word Bearer."""


class OAuth(Config, frozen=True):
    """Where tokens are fetched (RFC 6749, 4.4: client credentials)."""

    client_id: str
    """Name of the client."""

    client_secret: str
    """File with the client's secret."""

    token_url: str
    """URL of the token endpoint."""

    scopes: tuple[str, ...] = ()
    """Scopes to ask for."""

    endpoint_params: dict[str, str] = {}
    """Further parameters of the request."""


class Tls(Config, frozen=True):
    """The server proves who it is by a certificate, the mixer by a token."""

    ca_certificates: str = ""
    """File with certificates of authorities to trust beside the system's."""

    token_path: str = ""
    """File with the token; read again when it changes."""

    oauth: OAuth | None = None
    """Where to fetch tokens instead."""

    auth_header: AuthHeader | None = None
    """The token stands in the header authorization."""

    custom_header: str = ""
    """The token stands in this header instead."""

    server_name: str = ""
    """The name that the server's certificate must have, by default that of the address."""


class Mutual(Config, frozen=True):
    """Both sides prove who they are by certificates, as in Istio's mutual TLS."""

    private_key: str
    """File with the mixer's key."""

    client_certificate: str
    """File with the mixer's certificate."""

    ca_certificates: str = ""
    """File with certificates of authorities to trust beside the system's."""

    server_name: str = ""
    """The name that is sent to the server for it to choose a certificate (SNI)."""

    server_identity: str = ""
    """The URI that the server's certificate must have, such as
    ``spiffe://mesh/ns/istio-system/sa/adapter``. By default that of the mixer's own certificate:
    both sides are one identity, as in Istio. The name of the host counts for nothing."""


class Authentication(Config, frozen=True):
    """How both sides prove who they are."""

    tls: Tls | None = None
    """By a certificate and a token."""

    mutual: Mutual | None = None
    """By certificates."""


class Connection(Config, frozen=True):
    """Where an adapter of another process listens."""

    address: str = ""
    """A gRPC target such as ``adapter.istio-system:9070``; calls go round all its addresses."""

    timeout: Duration | None = None
    """How long a call may take, by default what the handler's timeout says."""

    authentication: Authentication | None = None
    """By default, nothing is encrypted and nobody proves anything."""


class Packed(Config, frozen=True):
    """An encoded message and its type (google.protobuf.Any)."""

    type_url: str
    """Type of the message, such as ``type.googleapis.com/PACKAGE.Params``."""

    value: bytes
    """The encoded message."""


class OutsideConfig(Config, frozen=True):
    """How an adapter of another process is reached, and its params."""

    connection: Connection
    """Where it listens."""

    params: Packed | None = None
    """Its params; None where it has none."""


def connection_problems(said: Connection) -> Iterator[FieldProblem]:
    """Find what is wrong with a connection beyond its types."""
    if not said.address:
        yield FieldProblem("address", "empty connection address", "give 'HOST:PORT'")
    if said.timeout is not None and said.timeout <= 0:
        yield FieldProblem("timeout", f"'{said.timeout}' is not more than 0")
    authentication = said.authentication
    if authentication is None:
        return
    if (authentication.tls is None) == (authentication.mutual is None):
        yield FieldProblem("authentication", "is one of tls and mutual", "give one of them")
    elif authentication.tls is not None:
        for found in _tls_problems(authentication.tls):
            field = f"authentication.tls.{found.field}".rstrip(".")
            yield FieldProblem(field, found.reason, found.suggestion)
    elif authentication.mutual is not None and not authentication.mutual.server_identity:
        for found in missing("cryptography", "remote", "mutual TLS without serverIdentity"):
            yield FieldProblem("authentication.mutual", found.reason, found.suggestion)


def _tls_problems(tls: Tls) -> Iterator[FieldProblem]:
    if bool(tls.token_path) == (tls.oauth is not None):
        reason = "the token comes from one of tokenPath and oauth"
        yield FieldProblem("", reason, "give one of them")
    if tls.token_path and (tls.auth_header is not None) == bool(tls.custom_header):
        reason = "the token stands in one of authHeader and customHeader"
        yield FieldProblem("", reason, "give one of them")
    header = tls.custom_header
    if header and not (header.isascii() and header.replace("-", "").replace("_", "").isalnum()):
        yield FieldProblem("custom_header", f"{header!r} is no name of a header")
    if tls.oauth is not None:
        yield from missing("aiohttp", "http", "oauth")
        if fault := url_fault(tls.oauth.token_url):
            yield FieldProblem("oauth.token_url", fault)
