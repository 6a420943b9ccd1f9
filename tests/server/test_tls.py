"""TLS and mutual TLS on the gRPC port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from .conftest import SHARED, Server, body

CHECK = SHARED / "istio-config" / "check"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def files(authority: trustme.CA, folder: Path) -> list[str]:
    """The flags of a server with a certificate of *authority*."""
    issued = authority.issue_cert("localhost")
    certificate, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    return [f"--serverCertFile={certificate}", f"--serverKeyFile={key}", f"--clientCAFile={ca}"]


def call(server: Server, credentials: grpc.ChannelCredentials) -> bytes:
    port = server.address.rpartition(":")[2]
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        send = channel.unary_unary("/istio.mixer.v1.Mixer/Check")
        answer: bytes = send(body("check"), timeout=5)
        return answer


def test_a_caller_with_the_right_root_is_answered(
    serve: Callable[..., Server], authority: trustme.CA, tmp_path: Path
) -> None:
    server = serve(CHECK, *files(authority, tmp_path)[:2])
    assert call(server, grpc.ssl_channel_credentials(authority.cert_pem.bytes()))
    with pytest.raises(grpc.RpcError):
        server.call("Check", body("check"), timeout=2)


def test_mutual_tls_wants_a_certificate_of_the_authority(
    serve: Callable[..., Server], authority: trustme.CA, tmp_path: Path
) -> None:
    server = serve(CHECK, *files(authority, tmp_path))
    root = authority.cert_pem.bytes()
    for issuer, welcome in ((authority, True), (trustme.CA(), False)):
        issued = issuer.issue_cert("sidecar")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        shown = grpc.ssl_channel_credentials(root, issued.private_key_pem.bytes(), chain)
        if welcome:
            assert call(server, shown)
        else:
            with pytest.raises(grpc.RpcError):
                call(server, shown)
