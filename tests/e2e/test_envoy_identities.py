"""Who calls, by mutual TLS, and which name TLS asked for: through a real Envoy."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.envoy import TYPES, Config
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, asking, configured, listening, sidecar, typed
from tests.peers import envoy
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

WEB = "spiffe://cluster.local/ns/shop/sa/web"
OTHER = "spiffe://cluster.local/ns/other/sa/web"

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: shop-only}}
spec:
  match: >-
    !(source.namespace == "shop" && source.serviceAccount == "web" && connection.mtls
    && source.principal == "cluster.local/ns/shop/sa/web")
  actions:
  - handler: {{adapter: denier, params: {{status: {{code: PERMISSION_DENIED, message: who}}}}}}
    instances: [{{template: checknothing}}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: not-by-this-name}}
spec:
  match: connection.requested_server_name == "admin.example.com"
  actions:
  - handler: {{adapter: denier, params: {{status: {{code: NOT_FOUND, message: which}}}}}}
    instances: [{{template: checknothing}}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: log}}
spec:
  actions:
  - handler:
      adapter: stdio
      params: {{logStream: FILE, outputPath: {log}, outputAsJson: true}}
    instances:
    - template: logentry
      params:
        variables:
          who: source.principal | "nobody"
          whose: destination.principal | "nobody"
          name: connection.requested_server_name | "none"
          denied: check.error_code | 0
"""


class Identities:
    """An authority, and certificates of hers that say who somebody is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        self._certificate = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        self.root = folder / "root.pem"
        self.root.write_bytes(self._ca.cert_pem.bytes())

    def issue(self, who: str) -> tuple[Path, Path]:
        """Certificate and key of somebody, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        names = [x509.UniformResourceIdentifier(who), x509.DNSName("localhost")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        place = self._folder / who.replace("/", "_").replace(":", "_")
        paths = place.with_suffix(".crt"), place.with_suffix(".key")
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path)


@pytest.fixture
def server(serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(configured(tmp_path, RULES.format(log=tmp_path / "told.log")))


def told(server: Server, folder: Path, count: int) -> list[dict[str, object]]:
    """So many lines of the log, when they are there."""
    log = folder / "told.log"

    def read() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        return lines if len(lines) >= count else []

    return [json.loads(line) for line in server.wait_for(read)]


def over_tls(config: Config, identities: Identities) -> Config:
    """The same, with mutual TLS at its listener."""
    certificate, key = identities.issue(WEB)
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    files = {
        "certificate_chain": {"filename": str(certificate)},
        "private_key": {"filename": str(key)},
    }
    chain["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": {
                "tls_certificates": [files],
                "validation_context": {"trusted_ca": {"filename": str(identities.root)}},
            },
        },
    }
    inspector = f"{TYPES}.filters.listener.tls_inspector.v3.TlsInspector"
    listener["listener_filters"] = [
        {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": inspector}}
    ]
    return config


def context(identities: Identities, who: str) -> ssl.SSLContext:
    """TLS of a client who is somebody."""
    made = ssl.create_default_context(cafile=str(identities.root))
    made.check_hostname = False
    made.load_cert_chain(*identities.issue(who))
    return made


@contextmanager
def connected(port: int, tls: ssl.SSLContext, name: str) -> Iterator[ssl.SSLSocket]:
    """A connection by TLS that asks for a *name*."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        tls.wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def status(port: int, tls: ssl.SSLContext, name: str = "shop.example.com") -> int:
    """What a request is answered that asks for a *name*."""
    with connected(port, tls, name) as secure:
        connection = HTTPSConnection(name)
        connection.sock = secure
        connection.request("GET", "/")
        return connection.getresponse().status


def test_rules_know_the_caller_of_a_request_and_the_name_it_asked_for(
    server: Server, service: App, identities: Identities, tmp_path: Path
) -> None:
    filter_ = asking(include_tls_session=True, include_peer_certificate=True)
    config = over_tls(sidecar(port_of(server), service.port, [filter_]), identities)
    with envoy(config, tmp_path) as running:
        web = context(identities, WEB)
        assert status(running.port, web) == 200
        assert status(running.port, context(identities, OTHER)) == 403
        assert status(running.port, web, "admin.example.com") == 404
        passed, other, admin = told(server, tmp_path, 3)
    assert passed["who"] == passed["whose"] == "cluster.local/ns/shop/sa/web"
    assert (passed["name"], passed["denied"]) == ("shop.example.com", 0)
    assert (other["who"], other["denied"]) == ("cluster.local/ns/other/sa/web", 7)
    assert (admin["name"], admin["denied"]) == ("admin.example.com", 5)


def test_rules_know_the_same_of_a_connection(
    server: Server, service: App, identities: Identities, tmp_path: Path
) -> None:
    asks = asking("network", include_tls_session=True, include_peer_certificate=True)
    proxy = typed("network", "tcp_proxy", "TcpProxy", stat_prefix="tcp", cluster="app")
    config = over_tls(listening(port_of(server), service.port, [asks, proxy]), identities)

    def passes(who: str, name: str) -> bool:
        with connected(running.port, context(identities, who), name) as secure:
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                return secure.recv(100).startswith(b"HTTP/1.")
            except ConnectionResetError:
                return False

    with envoy(config, tmp_path) as running:
        assert passes(WEB, "shop.example.com")
        assert not passes(OTHER, "shop.example.com")
        assert not passes(WEB, "admin.example.com")
        assert running.counters("ext_authz.tcp.")["denied"] == 2
