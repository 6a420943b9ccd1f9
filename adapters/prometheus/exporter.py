"""What Prometheus scrapes: all metrics of one address, and the listener that serves them."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from adapters.prometheus.config import Definition
from adapters.prometheus.series import Family
from mixer.adapter import Exposes
from mixer.adapter.addresses import host_port

OVERFLOWS = "mixer_prometheus_overflows_total"


class Exporter:
    """
    The metrics that handlers of this process have claimed, by full name.

    A new handler that claims an equal definition shares the series, so that they outlive a reload.
    A changed one starts afresh and hides the old one until that has no owner any more.
    """

    def __init__(self) -> None:
        self.port = 0
        """Where ``/metrics`` is served."""

        self._families: dict[str, list[Family]] = {}
        """The last of a name is the one that is served; replaced, never changed, for the scrape."""

    def claim(self, definitions: Sequence[Definition], owner: str) -> list[Family]:
        """
        Make *owner* feed the metrics so defined, all of them or none.

        Raises ValueError where another handler has claimed one of the names differently.
        """
        for definition in definitions:
            self._refuse_conflict(definition, owner)
        return [self._claim(definition, owner) for definition in definitions]

    def release(self, families: Sequence[Family], owner: str) -> None:
        """Take back a claim; a metric without owner disappears."""
        for family in families:
            family.owners.remove(owner)
            if not family.owners:
                name = family.definition.name
                rest = [kept for kept in self._families[name] if kept is not family]
                self._families = self._families | {name: rest}
        self._families = {name: rest for name, rest in self._families.items() if rest}

    def text(self) -> bytes:
        """All metrics in the text format, sorted by name."""
        return self._text(timed=False).encode()

    def dump(self) -> str:
        """What `text` is, with the time of its last update behind the value of each gauge."""
        return self._text(timed=True)

    def _text(self, *, timed: bool) -> str:
        served = [families[-1] for _, families in sorted(self._families.items())]
        return "".join([*(family.text(timed=timed) for family in served), _overflows(served)])

    def _refuse_conflict(self, definition: Definition, owner: str) -> None:
        for family in (held for families in self._families.values() for held in families):
            others = sorted(set(family.owners) - {owner})
            if (
                others
                and family.definition != definition
                and family.definition.exposed & definition.exposed
            ):
                raise ValueError(
                    f"metric {definition.name!r} is already defined differently by handler "
                    f"{others[0]!r}: make both definitions equal, or rename one"
                )

    def _claim(self, definition: Definition, owner: str) -> Family:
        held = self._families.get(definition.name, [])
        family = next((held for held in held if held.definition == definition), None)
        if family is None:
            family = Family(definition)
        family.owners.append(owner)
        newest_last = [*(other for other in held if other is not family), family]
        self._families = self._families | {definition.name: newest_last}
        return family

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve ``GET /metrics`` (WSGI)."""
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"metrics are at /metrics\n"]
        if environ["REQUEST_METHOD"] != "GET":
            start_response("405 Method Not Allowed", [("Allow", "GET")])
            return [b""]
        headers, body = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)], self.text()
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            # Level 1: text this repetitive shrinks twentyfold, at a quarter of the default's time.
            headers, body = [*headers, ("Content-Encoding", "gzip")], gzip.compress(body, 1)
        start_response("200 OK", headers)
        return [body]


def _overflows(families: Sequence[Family]) -> str:
    """How often metrics had more series than they may, where that happened."""
    lines = [
        f'{OVERFLOWS}{{metric="{family.definition.name}"}} {family.overflows.count}\n'
        for family in families
        if family.overflows.count
    ]
    head = f"# HELP {OVERFLOWS} Observations beyond maxSeries of a metric.\n"
    return f"{head}# TYPE {OVERFLOWS} counter\n{''.join(lines)}" if lines else ""


def serving(address: str) -> Callable[[], Any]:
    """
    Give what makes an `Exporter` that serves at *address* while it is entered.

    Raises OSError, in one line for the operator, where the address can't be had.
    """

    @contextmanager
    def made() -> Iterator[Exporter]:
        exporter = Exporter()
        host, port = host_port(address, any_port=True)
        try:
            server, thread = start_http_server(port, host, CollectorRegistry())
        except OSError as error:
            raise _cant_serve(address, error.strerror) from error
        # Its own application formats all labels anew for each scrape, which takes 50 times longer.
        server.set_app(exporter.answer)
        exporter.port = server.server_port
        try:
            yield exporter
        finally:
            with suppress(OSError):
                # Wakes the accepting thread, which would only look up twice a second.
                server.socket.shutdown(socket.SHUT_RDWR)
            server.shutdown()
            server.server_close()
            thread.join()

    return made


@contextmanager
def collecting() -> Iterator[Exporter]:
    """Make an `Exporter` that somebody else serves."""
    yield Exporter()


async def exposed(address: str, expose: Exposes, exporter: Exporter) -> int:
    """Have *exporter* served at *address* for all workers; return the port. Raises OSError."""
    host, port = host_port(address, any_port=True)
    try:
        return await expose(host, port, exporter.dump)
    except OSError as error:
        raise _cant_serve(address, error.strerror or str(error)) from error


def _cant_serve(address: str, why: str | None) -> OSError:
    return OSError(
        f"can't serve metrics at {address!r}: {why}; "
        "free the port, or change params.address of the handler"
    )
