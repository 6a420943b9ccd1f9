"""
Hand every instance to an adapter in another process, over gRPC without encryption.

A bridge to test out-of-process adapters with. Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: outside, namespace: istio-system}
    spec:
      compiledAdapter: bypass
      params:
        backendAddress: localhost:9070
        params:
          "@type": type.googleapis.com/adapter.example.config.Params
          value: CgRmaWxl

``value`` being the encoded params of the other adapter in base64.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from mixer.adapter import (
    Adapter,
    Allocates,
    CheckNothing,
    Checks,
    Config,
    FieldProblem,
    Grant,
    Metric,
    Quota,
    QuotaArgs,
    Refused,
    ReportNothing,
    Reports,
    Shape,
    Unavailable,
    Verdict,
    hookimpl,
)
from mixer.remote import connection as remote
from mixer.remote.protos import wire_of

if TYPE_CHECKING:
    from mixer.remote.peer import Peer


class Packed(Config, frozen=True):
    """An encoded message and its type (google.protobuf.Any)."""

    type_url: str = msgspec.field(default="", name="@type")
    """Type of the message, such as ``type.googleapis.com/PACKAGE.Params``."""

    value: str = ""
    """The encoded message in base64."""


class BypassConfig(Config, frozen=True):
    """Params of bypass."""

    backend_address: str
    """Where the other adapter listens, a gRPC target such as ``localhost:9070``."""

    params: Packed | None = None
    """Params of the other adapter, sent with every call."""

    session_based: bool = False
    """True: the other adapter is asked to validate the params and to make a session first."""


class Bypass(
    Adapter[BypassConfig],
    Checks[CheckNothing],
    Allocates[Quota],
    Reports[Metric | ReportNothing],
    name="bypass",
):
    """
    Passes instances on and answers back.

    The connection is made with the first call: a back end that is down fails calls, and keeps
    the handler from opening only where there is to be a session. Reports wait for its answer.
    """

    @classmethod
    def queue(cls, config: BypassConfig) -> None:
        """None: as in the original, a Report is told what became of it."""
        return

    @classmethod
    def problems(cls, config: BypassConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find a missing address, and params that are not in base64."""
        if not config.backend_address:
            yield FieldProblem("backend_address", "empty connection address", "give 'HOST:PORT'")
        if config.params:
            if not config.params.type_url:
                yield FieldProblem("params.@type", "the type of the params is missing")
            try:
                b64decode(config.params.value, validate=True)
            except binascii.Error as error:
                yield FieldProblem(
                    "params.value", f"{config.params.value!r} is not base64: {error}"
                )

    async def open(self) -> None:
        """Begin the session, if there is to be one; raise `Refused` where it is refused."""
        packed = self.config.params
        params = None
        if packed:
            params = remote.Packed(type_url=packed.type_url, value=b64decode(packed.value))
        # gRPC takes a tenth of a second to import.
        library: Any = await self.env.work(import_module, "mixer.remote.peer")
        there = remote.Connection(address=self.config.backend_address)
        self._peer: Peer = await library.connected(there, params, self.env, wire_of, sessions=False)
        if self.config.session_based:
            try:
                await self._peer.begin()
            except BaseException:
                await self._peer.close()
                raise

    async def close(self) -> None:
        """End the session and the connection."""
        try:
            await self._peer.close()
        except (Refused, Unavailable) as error:
            self.env.log.warning("session not closed", handler=self.env.name, error=str(error))

    async def check(self, instance: CheckNothing, /) -> Verdict:
        """Ask for a verdict."""
        return await self._peer.check(instance)

    async def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Ask for quota."""
        return await self._peer.allocate(instance, args)

    async def report(self, batch: Sequence[Metric | ReportNothing], /) -> None:
        """Pass the batch on."""
        await self._peer.report(batch)


@hookimpl
def mixer_adapters() -> list[type[Bypass]]:
    """Offer the adapter at the plugin door."""
    return [Bypass]
