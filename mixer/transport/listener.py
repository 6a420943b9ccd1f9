"""Where a server listens: addresses, TLS, and one clear line where they can't be had."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixer.errors import StartError

HTTP2, HTTP1 = "h2", "http/1.1"
"""Names of the protocols in TLS (RFC 7301)."""

UNIX = "unix://"
BACKLOG = 1024


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

    It is tried, as grpcio says little about what it can't bind, and much of that to stderr. An
    existing socket file is removed. Raises StartError where the address can't be had.
    """
    listening(address).close()
    path = address.removeprefix(UNIX)
    if path != address:
        Path(path).unlink()
        return f"unix:{path}"
    place = address.removeprefix("tcp://")
    return f"0.0.0.0{place}" if place.startswith(":") else place


def cant_listen(address: str, error: Exception, flag: str) -> str:
    """Why nobody can listen on *address*, and what to do."""
    code = getattr(error, "errno", None)
    advice = "is another process using it? " if code == errno.EADDRINUSE else ""
    why = getattr(error, "strerror", None) or error
    return f"can't listen on {address}: {why}; {advice}choose another with {flag}"


def listening(address: str) -> socket.socket:
    """A socket that listens on an address. Raises StartError where it can't be had."""
    path = address.removeprefix(UNIX)
    place: Any = path
    try:
        if path != address:
            if Path(path).is_socket():
                Path(path).unlink()
            found = socket.socket(socket.AF_UNIX)
        else:
            family, kind, protocol, _, place = _resolved(address)
            found = socket.socket(family, kind, protocol)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            found.bind(place)
            found.listen(BACKLOG)
        except OSError:
            found.close()
            raise
    except OSError as error:
        raise StartError(cant_listen(address, error, "--address")) from None
    return found


def bound(address: str, listener: socket.socket) -> str:
    """What an *address* became for the socket that listens on it: port 0 is a real one."""
    if address.startswith(UNIX):
        return address
    host = address.removeprefix("tcp://").rpartition(":")[0] or "0.0.0.0"
    return f"{host}:{listener.getsockname()[1]}"


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS for HTTP/2 and HTTP/1.1. Raises StartError where the files of *tls* are no good."""
    read(tls)  # OpenSSL does not say which file it can't read
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([HTTP2, HTTP1])
    try:
        # An empty passphrase, as nobody is there to be asked for one.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"{tls.certificate} and {tls.key} are not a certificate and its key in PEM, "
            f"without a passphrase: {_reason(error)}"
        ) from None
    if tls.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            raise StartError(
                f"{tls.client_ca} is not a certificate in PEM: {_reason(error)}"
            ) from None
    return context


def read(tls: Tls) -> tuple[bytes, bytes, bytes | None]:
    """Key, certificate and client CA as they are. Raises StartError where they can't be read."""
    try:
        key, certificate = tls.key.read_bytes(), tls.certificate.read_bytes()
        return key, certificate, tls.client_ca.read_bytes() if tls.client_ca else None
    except OSError as error:
        raise StartError(f"can't read {error.filename}: {error.strerror}") from None


def _resolved(address: str) -> Any:
    """What getaddrinfo says first of ``tcp://HOST:PORT``; without a host, all of this machine."""
    host, colon, port = address.removeprefix("tcp://").rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise StartError(f"{address!r} is not of the form tcp://HOST:PORT or unix:///PATH")
    host = host.strip("[]") or "0.0.0.0"
    return socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]


def _reason(error: Exception) -> str:
    """OpenSSL's word for it, such as PEM_LIB."""
    return str(getattr(error, "reason", None) or error)
