"""
Writes log entries and metrics as lines, to a standard stream or a file.

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: accesslog, namespace: istio-system}
    spec:
      compiledAdapter: stdio
      params:
        logStream: ROTATED_FILE
        outputPath: access.log
        maxMegabytesBeforeRotation: 100
        outputAsJson: true
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.stdio.config import Level, StdioConfig, Stream
from adapters.stdio.lines import Render, renderer
from adapters.stdio.sinks import Sink, open_sink
from mixer.adapter import (
    Adapter,
    FieldProblem,
    LogEntry,
    Metric,
    Reports,
    Shape,
    Timestamp,
    hookimpl,
)


class Stdio(Adapter[StdioConfig], Reports[LogEntry | Metric], name="stdio"):
    """Writes a line for each log entry and metric."""

    _sink: Sink | None = None

    @classmethod
    def problems(cls, config: StdioConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find a path that is missing, or one that nothing would be written to."""
        to_file = config.log_stream in (Stream.FILE, Stream.ROTATED_FILE)
        if to_file and not config.output_path:
            yield FieldProblem("output_path", f"is needed for {config.log_stream.name}")
        if config.output_path and not to_file:
            yield FieldProblem(
                "output_path",
                f"has no meaning for {config.log_stream.name}",
                "remove it, or set logStream: FILE",
            )

    async def open(self) -> None:
        """Open the stream. Raises OSError where the file can't be written."""
        self._sink = open_sink(self.config)
        masked = frozenset(name.lower() for name in self.config.mask)
        self._renderers: dict[str, Render] = {
            shape.name: renderer(shape, self.config.output_as_json, masked)
            for shape in self.env.shapes
        }

    def report(self, batch: Sequence[LogEntry | Metric], /) -> None:
        """Write a batch at once. Raises OSError where that fails."""
        if self._sink is None:
            raise RuntimeError("the handler is closed")
        lines = [line for entry in batch if (line := self._line(entry)) is not None]
        if lines:
            self._sink.write("".join(lines))

    def _line(self, entry: LogEntry | Metric) -> str | None:
        """The line of *entry*, or None where its level is below the one configured."""
        config = self.config
        if isinstance(entry, Metric):
            level, time = config.metric_level, Timestamp(self.env.now())
            variables = entry.dimensions
        else:
            level = config.severity_levels.get(entry.severity, Level.INFO)
            time, variables = entry.timestamp, entry.variables
        if level < config.output_level:
            return None
        value = entry.value if isinstance(entry, Metric) else None
        return self._renderers[entry.name](level, time, variables, value)

    async def close(self) -> None:
        """Flush and close what is not a standard stream."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None


@hookimpl
def mixer_adapters() -> list[type[Stdio]]:
    return [Stdio]
