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
from adapters.stdio.lines import level_of, line_of
from adapters.stdio.sinks import Sink, open_sink
from mixer.adapter import (
    Adapter,
    FieldProblem,
    Line,
    LogEntry,
    Metric,
    Reports,
    Shape,
    hookimpl,
)
from mixer.adapter.records import lowered


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
        masked = lowered(self.config.mask)
        self._lines = {
            shape.name: line_of(shape, self.config, masked, self.env.now)
            for shape in self.env.shapes
        }

    def report(self, batch: Sequence[LogEntry | Metric | str], /) -> None:
        """Write a batch at once. Raises OSError where that fails."""
        if self._sink is None:
            raise RuntimeError("the handler is closed")
        least, lines = self.config.output_level, []
        for entry in batch:
            if isinstance(entry, str):
                lines.append(entry)
            elif self._level(entry) >= least:
                lines.append(self._lines[entry.name].of(entry))
        if lines:
            self._sink.write("".join(lines))

    def line(self, shape: Shape, /) -> Line | None:
        """The line of log entries, where all are written."""
        every = self.config.output_level is Level.INFO
        return self._lines[shape.name] if every and shape.template is LogEntry else None

    def _level(self, entry: LogEntry | Metric) -> Level:
        if isinstance(entry, Metric):
            return self.config.metric_level
        return level_of(entry.severity, self.config)

    async def close(self) -> None:
        """Flush and close what is not a standard stream."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None


@hookimpl
def mixer_adapters() -> list[type[Stdio]]:
    return [Stdio]
