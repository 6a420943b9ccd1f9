"""The params of the stdio adapter."""

from __future__ import annotations

from enum import IntEnum

from msgspec import field

from mixer.adapter import Config, NonNegative, Positive
from mixer.adapter.records import MASKED


class Stream(IntEnum):
    """Where lines go."""

    STDOUT = 0
    STDERR = 1
    FILE = 2
    ROTATED_FILE = 3


class Level(IntEnum):
    """How important a line is."""

    INFO = 0
    WARNING = 1
    ERROR = 2


SEVERITIES = {
    **dict.fromkeys(("INFORMATIONAL", "informational", "INFO", "info"), Level.INFO),
    **dict.fromkeys(("WARNING", "warning", "WARN", "warn"), Level.WARNING),
    **dict.fromkeys(("ERROR", "error", "ERR", "err", "FATAL", "fatal"), Level.ERROR),
}


class StdioConfig(Config, frozen=True):
    """Where lines go, and which."""

    log_stream: Stream = Stream.STDOUT
    """Where lines go."""

    severity_levels: dict[str, Level] = field(default_factory=SEVERITIES.copy)
    """Level of each severity of a log entry; a severity not named here is INFO."""

    metric_level: Level = Level.INFO
    """Level of metrics."""

    output_as_json: bool = True
    """True for a JSON object a line, false for columns with tabs between."""

    output_level: Level = Level.INFO
    """Lines of a lower level are not written."""

    output_path: str = ""
    """The file of FILE and ROTATED_FILE."""

    max_megabytes_before_rotation: Positive = 100
    """Size in megabytes at which a ROTATED_FILE is renamed and begun anew. (Istio's default was
    a slip a million times as large.)"""

    max_days_before_rotation: NonNegative = 30
    """Days after which rotated files are deleted; 0 keeps them. (Istio swapped this limit and the
    next.)"""

    max_rotated_files: NonNegative = 1000
    """Rotated files to keep; 0 keeps all."""

    mask: tuple[str, ...] = MASKED
    """Headers, or other keys of maps, whose values are written as ``***``."""
