"""Where a server listens: addresses, TLS, and one clear line where they can't be had."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from mixer.errors import StartError

UNIX = "unix://"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a TLS listener, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Where given, clients must show a certificate that it signed."""


def target(address: str) -> str:
    """
    Return gRPC's own form of ``tcp://HOST:PORT`` or ``unix:///PATH``, free to be listened on.

    An existing socket file is removed. Raises StartError where the address can't be had.
    """
    path = address.removeprefix(UNIX)
    try:
        if path != address:
            _try_path(Path(path))
            return f"unix:{path}"
        return _try_port(address)
    except OSError as error:
        raise StartError(cant_listen(address, error, "--address")) from None


def cant_listen(address: str, error: Exception, flag: str) -> str:
    """Why nobody can listen on *address*, and what to do."""
    code = getattr(error, "errno", None)
    advice = "is another process using it? " if code == errno.EADDRINUSE else ""
    why = getattr(error, "strerror", None) or error
    return f"can't listen on {address}: {why}; {advice}choose another with {flag}"


def credentials(tls: Tls) -> grpc.ServerCredentials:
    """Read the files of *tls*. Raises StartError where they can't be read or don't fit."""
    try:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        roots = tls.client_ca.read_bytes() if tls.client_ca else None
    except OSError as error:
        raise StartError(f"can't read {error.filename}: {error.strerror}") from None
    _try_files(tls)
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


# grpcio says little about what it can't bind or load, and much of it to stderr; so everything is
# tried here first.


def _try_path(path: Path) -> None:
    if path.is_socket():
        path.unlink()
    with socket.socket(socket.AF_UNIX) as trial:
        trial.bind(str(path))
    path.unlink()


def _try_port(address: str) -> str:
    host, colon, port = address.removeprefix("tcp://").rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise StartError(f"{address!r} is not of the form tcp://HOST:PORT or unix:///PATH")
    host = host or "0.0.0.0"
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family, kind, protocol, _, bound = found[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(bound)
    return f"{host}:{port}"


def _try_files(tls: Tls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty passphrase, as nobody is there to be asked for one.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"{tls.certificate} and {tls.key} are not a certificate and its key in PEM, "
            f"without a passphrase: {_reason(error)}"
        ) from None
    if tls.client_ca:
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            raise StartError(
                f"{tls.client_ca} is not a certificate in PEM: {_reason(error)}"
            ) from None


def _reason(error: Exception) -> str:
    """OpenSSL's word for it, such as PEM_LIB."""
    return str(getattr(error, "reason", None) or error)
