"""The monitoring port: metrics, version, health and the configuration in force, over HTTP."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mixer.errors import StartError
from mixer.transport.listener import cant_listen

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
SMALL_BYTES = 4096
"""A page up to this size is not worth compressing."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered to a GET."""

    status: int
    content_type: str
    body: bytes


Pages: TypeAlias = dict[str, Callable[[], Page]]


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages show; called from threads of the HTTP server."""

    registry: CollectorRegistry
    version: str
    alive: Callable[[], bool]
    ready: Callable[[], bool]
    describe: Callable[[], dict[str, Any]]

    def pages(self) -> Pages:
        """All pages by path."""
        return {
            "/metrics": lambda: Page(200, CONTENT_TYPE_LATEST, generate_latest(self.registry)),
            "/version": lambda: Page(200, TEXT, f"{self.version}\n".encode()),
            "/healthz": lambda: verdict(self.alive()),
            "/readyz": lambda: verdict(self.ready()),
            "/configz": lambda: Page(200, JSON, json.dumps(self.describe(), indent=1).encode()),
        }


def verdict(good: bool) -> Page:
    """What a probe is answered."""
    return Page(200, TEXT, b"ok\n") if good else Page(503, TEXT, b"not ok\n")


class HttpPages:
    """An HTTP server of pages, in threads of its own."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        """Listen; raise OSError where the address can't be had."""
        self._server = _server(host, port)((host, port), _handler(pages))
        self._thread = Thread(target=self._server.serve_forever, name="pages", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use."""
        port: int = self._server.server_address[1]
        return port

    @property
    def address(self) -> str:
        """``HOST:PORT`` in use."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Monitoring(HttpPages):
    """The pages of the monitoring port."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        """Listen; raise StartError where the address can't be had."""
        try:
            super().__init__(host, port, pages)
        except OSError as error:
            raise StartError(cant_listen(f"{host}:{port}", error, "--monitoringPort")) from None


def _server(host: str, port: int) -> type[ThreadingHTTPServer]:
    """A server of the address family of *host*. Raises OSError where there is none."""

    class Server(ThreadingHTTPServer):
        address_family = socket.getaddrinfo(host, port)[0][0]
        daemon_threads = True
        allow_reuse_address = True

        def server_bind(self) -> None:
            TCPServer.server_bind(self)  # that of HTTPServer asks the DNS for names nobody needs

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no event; anything else is a defect, shown with stack."""
            if not isinstance(sys.exception(), OSError):
                super().handle_error(request, client_address)

    return Server


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                known = " ".join(sorted(pages))
                self._send(Page(404, TEXT, f"there is no such page; there are {known}\n".encode()))
            else:
                self._send(page())

        def _send(self, page: Page) -> None:
            body = page.body
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            if len(body) > SMALL_BYTES and "gzip" in self.headers.get("Accept-Encoding", ""):
                # Level 1: metrics shrink twentyfold, at a quarter of the default's time.
                body = gzip.compress(body, 1)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are no events."""

    return Handler
