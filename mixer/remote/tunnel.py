"""
A way to a server by mutual TLS that is known by the URI of its certificate.

gRPC for Python can only check the names of hosts, of which certificates of a mesh have none. So it
speaks to a socket in a folder of our own, and each of its connections is carried on over TLS. The
certificates are read for each, so that they may be renewed at any time.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from tempfile import TemporaryDirectory

from mixer.adapter.base import Env
from mixer.remote.connection import Mutual

_CHUNK = 1 << 16
CONNECT_SECONDS = 10.0


class Tunnel:
    """Carries connections to *address*."""

    def __init__(self, address: str, said: Mutual, env: Env) -> None:
        self._address, self._said, self._env = address, said, env
        self._folder = TemporaryDirectory(prefix="mixer-")
        self._path = f"{self._folder.name}/socket"
        self._carrying: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.target = f"unix:{self._path}"
        """Where to connect instead."""

        self.fault = ""
        """Why the last connection could not be carried."""

    async def open(self) -> None:
        """Begin to carry. Raises OSError or ValueError where a certificate can't be used."""
        await self._env.work(_trust, self._said)
        self._server = await asyncio.start_unix_server(self._begin, self._path)

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._carrying:
            task.cancel()
        if self._carrying:
            await asyncio.wait(self._carrying)
        self._folder.cleanup()

    def _begin(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = self._env.spawn(self._carry(reader, writer), "carry a connection")
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                from_there, to_there = await self._connected()
        except (OSError, ValueError) as error:  # SSLError and TimeoutError are OSErrors
            self.fault = str(error) or "nobody answers"
            writer.close()
            return
        self.fault = ""
        ways = [
            asyncio.ensure_future(_pass_on(reader, to_there)),
            asyncio.ensure_future(_pass_on(from_there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            to_there.close()
            writer.close()
            await asyncio.wait(ways)

    async def _connected(self) -> tuple[StreamReader, StreamWriter]:
        """Raises OSError where there is no server, or none that is who it should be."""
        context, identity = await self._env.work(_trust, self._said)
        host, port = host_and_port(self._address)
        name = self._said.server_name or host
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=name
        )
        names = writer.get_extra_info("peercert").get("subjectAltName", ())
        found = [value for kind, value in names if kind == "URI"]
        if identity not in found:
            writer.close()
            shown = ", ".join(found) or "without a URI"
            raise ConnectionError(f"the server is {shown} by its certificate, not {identity}")
        return reader, writer


def host_and_port(address: str) -> tuple[str, int]:
    """Take apart a gRPC target that names a host. Raises ValueError where it does not."""
    host, _, port = address.removeprefix("dns:").lstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"mutual TLS needs an address of the form 'HOST:PORT', not {address!r}")
    return host.strip("[]"), int(port)


def _trust(said: Mutual) -> tuple[ssl.SSLContext, str]:
    """What to check a server by, and the URI that it must have."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if said.ca_certificates:
        context.load_verify_locations(said.ca_certificates)
    context.load_cert_chain(said.client_certificate, said.private_key)
    return context, said.server_identity or _identity(Path(said.client_certificate))


def _identity(file: Path) -> str:
    """The URI of the certificate in *file*. Raises ValueError where it has none."""
    from cryptography.x509 import (
        ExtensionNotFound,
        SubjectAlternativeName,
        UniformResourceIdentifier,
        load_pem_x509_certificate,
    )

    certificate = load_pem_x509_certificate(file.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        names = SubjectAlternativeName([])
    for uri in names.get_values_for_type(UniformResourceIdentifier):
        return uri
    raise ValueError(f"the certificate in {file} has no URI; say who the server is: serverIdentity")


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    """Hand on what comes until the end; a connection that breaks has ended."""
    try:
        while some := await reader.read(_CHUNK):
            writer.write(some)
            await writer.drain()
    except OSError:
        pass
