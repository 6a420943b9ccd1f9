"""Adapters of other processes: for each, a class like those of our own, which asks elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from types import new_class
from typing import TYPE_CHECKING, Any, ClassVar

from google.protobuf.message import Message

from mixer.adapter.base import VERB_OF, Adapter
from mixer.adapter.results import Grant, QuotaArgs, Verdict
from mixer.adapter.template import Instance, Output
from mixer.remote import protos
from mixer.remote.connection import OutsideConfig
from mixer.remote.descriptors import Wire, params, unpacked
from mixer.remote.templates import Outside

if TYPE_CHECKING:
    from mixer.remote.peer import Peer


class Elsewhere(Adapter[OutsideConfig], name="elsewhere"):
    """
    Asks an adapter of another process, over gRPC. Base of the classes that `adapter` makes.

    The connection is made with the first call: one that is down fails calls, and keeps no handler
    from opening.
    """

    verbs: ClassVar[dict[type[Instance], str]] = {Outside: "check"}
    params_type: ClassVar[type[Message] | None] = None
    sessions: ClassVar[bool] = False
    _peer: Peer | None = None

    async def open(self) -> None:
        """Read certificates and tokens; raise OSError or ValueError where one can't be used."""
        # gRPC takes a tenth of a second to import.
        library: Any = await self.env.work(import_module, "mixer.remote.peer")
        config, sessions = self.config, self.sessions
        self._peer = await library.connected(
            config.connection, config.params, self.env, wire_of, sessions=sessions
        )

    async def close(self) -> None:
        """End the session and the connection."""
        peer, self._peer = self._peer, None
        if peer is not None:
            await peer.close()

    @property
    def peer(self) -> Peer:
        assert self._peer is not None, "the handler is not open"
        return self._peer

    async def check(self, instance: Instance, /) -> Verdict:
        """Ask for a verdict."""
        return await self.peer.check(instance)

    async def check_with_output(self, instance: Instance, /) -> tuple[Verdict, Output]:
        """Ask for a verdict and what goes with it."""
        return await self.peer.check_with_output(instance)

    async def allocate(self, instance: Instance, args: QuotaArgs, /) -> Grant:
        """Ask for quota."""
        return await self.peer.allocate(instance, args)

    async def report(self, batch: Sequence[Instance], /) -> None:
        """Pass a batch on."""
        await self.peer.report(batch)

    async def generate(self, instance: Instance, /) -> Output:
        """Ask for further attributes."""
        return await self.peer.generate(instance)


@lru_cache(maxsize=1024)  # so that a reload finds the same class, and handlers stay
def adapter(
    name: str, templates: frozenset[type[Instance]], config: str, session_based: bool
) -> type[Elsewhere]:
    """
    The adapter *name*, which takes *templates* and params that *config* describes, in base64.

    Raises `BadDescriptor`.
    """
    ordered = sorted(templates, key=lambda template: template.template)
    members = {
        "__module__": __name__,
        "__doc__": f"The adapter {name} of another process.",
        "verbs": {template: VERB_OF[template.variety] for template in ordered},
        "params_type": params(unpacked(config)) if config else None,
        "sessions": session_based,
    }
    return new_class("Elsewhere", (Elsewhere,), {"name": name}, lambda own: own.update(members))


def wire_of(template: type[Instance]) -> Wire:
    """How instances of a *template* of any kind travel."""
    return template.wire if issubclass(template, Outside) else protos.wire_of(template)
