"""
Send log entries to Fluentd or Fluent Bit, by the forward protocol.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: fluentd, namespace: istio-system}
    spec:
      compiledAdapter: fluentd
      params: {address: "localhost:24224", pushIntervalDuration: 5s}
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence

from adapters.fluentd.forward import Chunk, Forward, chunks
from adapters.fluentd.records import tagged
from mixer.adapter import (
    Adapter,
    Config,
    Duration,
    Env,
    FieldProblem,
    LogEntry,
    NonNegative,
    Positive,
    Reports,
    Shape,
    Unavailable,
    hookimpl,
)
from mixer.adapter.addresses import host_port
from mixer.adapter.hosting import Queue
from mixer.adapter.records import MASKED, lowered


class FluentdConfig(Config, frozen=True):
    """Params of fluentd."""

    address: str = "localhost:24224"
    """HOST:PORT of the daemon."""

    integer_duration: bool = False
    """True: durations are whole milliseconds. False: text such as `1.5s`."""

    instance_buffer_size: NonNegative = 1024
    """Entries that may wait, where the handler has no `queue`."""

    max_batch_size_bytes: Positive = 8 * 1024 * 1024
    """Bytes of entries in one message."""

    push_interval_duration: Duration = Duration.of(60)
    """How long an entry waits for others, where the handler has no `queue`."""

    push_timeout_duration: Duration = Duration.of(60)
    """How long the daemon may take for a batch; the handler's `timeout` bounds that too."""

    require_ack: bool = True
    """True: entries count as delivered when the daemon says so. False: when they are written."""

    tls: bool = False
    """True: speak TLS, and check the daemon's name against the address."""

    ca_file: str = ""
    """For TLS: certificates of authorities in PEM; empty means those of the system."""

    mask: tuple[str, ...] = MASKED
    """Variables, and keys of maps, whose values are shown as `***`."""


class Fluentd(Adapter[FluentdConfig], Reports[LogEntry], name="fluentd"):
    """
    Sends entries in batches over one connection.

    The tag of an entry is the name of its instance, or its variable `tag`; then `name` holds the
    instance's. `severity` is added to the record. While the daemon is away entries wait in the
    queue of the host. With acknowledgements an entry may come twice where one was lost; without,
    entries that were under way may be lost as a connection ends.
    """

    def __init__(self, config: FluentdConfig, env: Env) -> None:
        super().__init__(config, env)
        self._masked = lowered(config.mask)
        self._turn = asyncio.Lock()
        self._connection: Forward | None = None

    @classmethod
    def problems(cls, config: FluentdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find an address that is none, and durations that are not positive."""
        try:
            host_port(config.address)
        except ValueError as error:
            yield FieldProblem("address", str(error), "such as 'localhost:24224'")
        for name in ("push_interval_duration", "push_timeout_duration"):
            if (value := getattr(config, name)) < 0:
                yield FieldProblem(name, f"'{value}' is less than 0")
        if config.ca_file and not config.tls:
            yield FieldProblem("ca_file", "has no effect without TLS", "say `tls: true`")

    @classmethod
    def queue(cls, config: FluentdConfig) -> Queue:
        """As the params of the original say."""
        age = max(config.push_interval_duration, Duration.of(0.01))
        return Queue(size=config.instance_buffer_size, batch_age=Duration(age))

    async def open(self) -> None:
        """Read the certificates; the daemon may be away."""
        self._tls: ssl.SSLContext | None = None
        if self.config.tls:
            self._tls = ssl.create_default_context(cafile=self.config.ca_file or None)

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def report(self, batch: Sequence[LogEntry], /) -> None:
        """Send *batch*; raise `Unavailable` where the daemon does not take all of it."""
        entries = [tagged(entry, self._masked, self.config.integer_duration) for entry in batch]
        async with self._turn:
            try:
                async with asyncio.timeout(self.config.push_timeout_duration.seconds or None):
                    await self._send(chunks(entries, self.config.max_batch_size_bytes))
            except (OSError, EOFError, ValueError) as error:
                await self.close()
                why = str(error) or type(error).__name__
                raise Unavailable(f"fluentd at {self.config.address}: {why}") from None
            except BaseException:
                await self.close()  # an acknowledgement may be on its way still
                raise

    async def _send(self, messages: Iterable[Chunk]) -> None:
        for message in messages:
            if self._connection is None:
                self._connection = await Forward.connect(*host_port(self.config.address), self._tls)
            await self._connection.send(message, acknowledged=self.config.require_ack)


@hookimpl
def mixer_adapters() -> list[type[Fluentd]]:
    """Offer the adapter at the plugin door."""
    return [Fluentd]
