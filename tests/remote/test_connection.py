"""How mixers and adapters of other processes prove to each other who they are."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import grpc
import grpc.aio
import pytest
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.denier import Denier
from mixer.errors import RpcError
from mixer.transport.listener import Tls
from tests.dispatch.conftest import Start
from tests.http_service import service
from tests.remote.conftest import Elsewhere, Serve
from tests.remote.foreign import Foreign
from tests.remote.test_foreign import SETS, resources

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
ME, OTHER = "spiffe://mesh/ns/istio-system/sa/mixer", "spiffe://mesh/ns/shop/sa/other"


class Authority:
    """Issues certificates that name workloads, as a mesh does."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mesh")])
        self._folder = folder
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._sign(self._name, self._key.public_key(), constraints)
        self.file = folder / "mesh.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, uri: str | None) -> Tls:
        """A certificate and its key, in files called after *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName("somewhere.else")]
        if uri is not None:
            names.append(x509.UniformResourceIdentifier(uri))
        certificate = self._sign(
            x509.Name([]), key.public_key(), x509.SubjectAlternativeName(names)
        )
        found = Tls(self._folder / f"{name}.pem", self._folder / f"{name}.key", self.file)
        found.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return found

    def _sign(self, name: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def mutual(outside: Elsewhere, own: Tls, more: str = "") -> str:
    """A configuration that asks *outside* by mutual TLS."""
    return (
        outside.resources()
        + f"""
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r}}
spec:
  onError: fail
  actions:
  - handler:
      adapter: remote-denier
      params: {{status: {{message: 'no'}}}}
      connection:
        address: {outside.address}
        authentication:
          mutual:
            privateKey: {own.key}
            clientCertificate: {own.certificate}
            caCertificates: {own.client_ca}
            {more}
    instances: [{{template: checknothing}}]
"""
    )


async def test_both_sides_are_known_by_the_uri_of_their_certificate(
    start: Start, elsewhere: Serve, authority: Authority
) -> None:
    outside = await elsewhere(Denier, authority.issue("server", ME))
    mixer = await start(mutual(outside, authority.issue("client", ME)))
    for _ in range(2):
        assert (await mixer.check()).precondition.message == "r.istio-system:no"


async def test_a_server_that_is_somebody_else_is_not_asked(
    start: Start, elsewhere: Serve, authority: Authority
) -> None:
    outside = await elsewhere(Denier, authority.issue("server", OTHER))
    mixer = await start(mutual(outside, authority.issue("client", ME)))
    with pytest.raises(RpcError, match=f"the server is {OTHER} by its certificate, not {ME}"):
        await mixer.check()
    assert outside.open == 0


async def test_the_configuration_may_say_who_the_server_is(
    start: Start, elsewhere: Serve, authority: Authority
) -> None:
    outside = await elsewhere(Denier, authority.issue("server", OTHER))
    more = f"serverIdentity: {OTHER}"
    mixer = await start(mutual(outside, authority.issue("client", None), more))
    assert (await mixer.check()).precondition.message == "r.istio-system:no"


async def test_a_server_of_another_authority_is_not_asked(
    start: Start, elsewhere: Serve, authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    outside = await elsewhere(Denier, Authority(folder).issue("server", ME))
    mixer = await start(mutual(outside, authority.issue("client", ME)))
    with pytest.raises(RpcError, match=r"CERTIFICATE_VERIFY_FAILED"):
        await mixer.check()
    assert outside.open == 0


async def test_a_certificate_that_names_nobody_keeps_the_handler_from_opening(
    start: Start, elsewhere: Serve, authority: Authority
) -> None:
    outside = await elsewhere(Denier, authority.issue("server", ME))
    mixer = await start(mutual(outside, authority.issue("client", None)))
    assert mixer.runtime.snapshot is not None
    (handler,) = mixer.runtime.snapshot.handlers.values()
    assert "has no URI; say who the server is: serverIdentity" in handler.error


async def test_renewed_certificates_serve_the_next_connection(
    start: Start, elsewhere: Serve, authority: Authority
) -> None:
    outside = await elsewhere(Denier, authority.issue("server", ME))
    own = authority.issue("client", OTHER)
    mixer = await start(mutual(outside, own))
    with pytest.raises(RpcError, match="not spiffe"):
        await mixer.check()
    authority.issue("client", ME)
    assert (await until_answered(mixer)).precondition.message == "r.istio-system:no"


async def until_answered(mixer: Any) -> Any:
    """The answer, once gRPC, and the breaker, have tried again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await mixer.check()
            except RpcError:
                await asyncio.sleep(0.05)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Foreign]:
    """Somebody else's adapter behind TLS, with the files of its authority in the folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("adapter.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])
    found, server = Foreign(SETS["everything"]), grpc.aio.server()
    server.add_generic_rpc_handlers([found])
    found.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    await server.start()
    yield found
    await server.stop(None)


def with_tls(guarded: Foreign, folder: Path, token: str) -> str:
    """A configuration that asks *guarded* with a *token*."""
    return resources("everything", guarded.address).replace(
        f"connection: {{address: '{guarded.address}'}}",
        f"""connection:
    address: '{guarded.address}'
    timeout: 20s
    authentication:
      tls:
        caCertificates: {folder}/ca.pem
        serverName: adapter.example
        {token}
""",
    )


@pytest.mark.parametrize(
    ("words", "header", "shown"),
    [
        ("authHeader: PLAIN", "authorization", "s3cret"),
        ("auth_header: BEARER", "authorization", "Bearer s3cret"),
        ("customHeader: X-Token", "x-token", "s3cret"),
    ],
)
async def test_a_token_goes_with_each_call(
    start: Start, guarded: Foreign, tmp_path: Path, words: str, header: str, shown: str
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    token = f"tokenPath: {tmp_path}/token\n        {words}"
    mixer = await start(with_tls(guarded, tmp_path, token))
    await mixer.check()
    assert guarded.shown[-1][header] == shown


async def test_a_token_that_is_renewed_is_read_again(
    start: Start, guarded: Foreign, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    text = with_tls(guarded, tmp_path, f"tokenPath: {file}\n        authHeader: PLAIN")
    mixer = await start(text)
    await mixer.check()
    file.write_text("new")
    os.utime(file, ns=(1, 1))
    await mixer.check()
    assert [one["authorization"] for one in guarded.shown] == ["old", "new"]


async def test_a_server_with_another_name_is_not_asked(
    start: Start, guarded: Foreign, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret")
    token = f"tokenPath: {tmp_path}/token\n        authHeader: PLAIN"
    text = with_tls(guarded, tmp_path, token).replace("adapter.example", "other.example")
    mixer = await start(text)
    with pytest.raises(RpcError, match="UNAVAILABLE"):
        await mixer.check()
    assert guarded.asked == []


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Any]:
    """A token endpoint, of the authority in the folder."""
    async with service() as found:
        yield found


async def test_a_token_is_fetched_by_oauth_and_kept_until_its_end(
    start: Start, guarded: Foreign, issuer: Any, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hush\n")
    issuer.answers = [
        web.json_response({"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}),
    ]
    oauth = f"""oauth:
          clientId: mixer
          clientSecret: {tmp_path}/secret
          tokenUrl: {issuer.url}/token
          scopes: [a, b]
          endpointParams: {{audience: adapter}}"""
    mixer = await start(with_tls(guarded, tmp_path, oauth))
    await mixer.check()
    await mixer.check()
    assert [one["authorization"] for one in guarded.shown] == ["Bearer t1", "Bearer t1"]
    (asked,) = issuer.seen
    assert (asked.method, asked.path) == ("POST", "/token")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["mixer"],
        "client_secret": ["hush"],
        "scope": ["a b"],
        "audience": ["adapter"],
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: web.Response(status=401, text="no such client"), "answered 401: no such client"),
        (lambda: web.json_response({"token": "x"}), "answered no token: KeyError"),
    ],
)
async def test_without_a_token_nothing_is_sent(
    start: Start, guarded: Foreign, issuer: Any, tmp_path: Path, answer: Any, reason: str
) -> None:
    (tmp_path / "secret").write_text("hush")
    issuer.usual = lambda seen: answer()
    oauth = (
        f"oauth: {{clientId: mixer, clientSecret: {tmp_path}/secret, "
        f"tokenUrl: '{issuer.url}/token'}}"
    )
    mixer = await start(with_tls(guarded, tmp_path, oauth))
    with pytest.raises(RpcError, match=reason):
        await mixer.check()
    assert guarded.asked == []
