"""The mixer's own log: where it goes, in which form, and which scopes say how much."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from mixer.errors import StartError
from mixer.telemetry.rotation import SharedRotatingFile

SCOPES = ("default", "api", "adapters", "attributes", "config", "grpcAdapter", "loadshedding")
LEVELS = {
    "none": logging.CRITICAL + 10,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
SECRET = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"})
MASK = "***"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What the ``--log_*`` flags say."""

    targets: tuple[str, ...] = ("stdout",)
    """``stdout``, ``stderr`` or paths of files."""

    rotate: str = ""
    """Path of a file that is rotated."""

    rotate_max_bytes: int = 104_857_600
    rotate_max_backups: int = 1000
    as_json: bool = False
    levels: Mapping[str, str] = field(default_factory=lambda: {"default": "info"})
    """Level by scope; ``default`` is for those not named."""


def levels(text: str) -> dict[str, str]:
    """Read ``default:info,api:debug`` or ``info``; raise ValueError on unknown words."""
    found = {"default": "info"}
    for part in filter(None, text.split(",")):
        scope, colon, level = part.partition(":")
        if not colon:
            scope, level = "default", part
        if scope not in SCOPES:
            raise ValueError(f"unknown log scope {scope!r}; there are {', '.join(SCOPES)}")
        if level not in LEVELS:
            raise ValueError(f"unknown log level {level!r}; there are {', '.join(LEVELS)}")
        found[scope] = level
    return found


class Logs:
    """The loggers of one process, by scope."""

    def __init__(self, options: LogOptions, context: Mapping[str, Any] | None = None) -> None:
        """
        Open the targets; raise StartError where one can't be written.

        All lines say the *context* too, such as the number of a worker.
        """
        self._levels = options.levels
        self._context = context or {}
        self._sink = logging.Logger("mixer")
        for handler in _handlers(options):
            handler.setFormatter(logging.Formatter("%(message)s"))
            self._sink.addHandler(handler)
        renderer: Any = (
            structlog.processors.JSONRenderer()
            if options.as_json
            else structlog.dev.ConsoleRenderer(
                colors=False,
                pad_event_to=0,
                # The default shows local variables, which hold what callers sent.
                exception_formatter=structlog.dev.plain_traceback,
            )
        )
        self._processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if options.as_json else _unchanged,
            mask,
            renderer,
        ]

    def scope(self, name: str) -> FilteringBoundLogger:
        """The logger of a scope; below its level it does nothing."""
        level = LEVELS[self._levels.get(name, self._levels["default"])]
        logger: FilteringBoundLogger = structlog.wrap_logger(
            self._sink,
            processors=self._processors,
            wrapper_class=structlog.make_filtering_bound_logger(min(level, logging.CRITICAL)),
            scope=name,
            **self._context,
        )
        return logger

    def close(self) -> None:
        """Flush and close the targets that are files."""
        for handler in self._sink.handlers:
            handler.flush()
            if isinstance(handler, logging.FileHandler):
                handler.close()


def mask(logger: object, method: str, event: EventDict) -> EventDict:
    """Hide the values of secrets, at any depth of mappings."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if key.lower() in SECRET:
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), held) for inner, held in value.items()}
    return value


def _unchanged(logger: object, method: str, event: EventDict) -> EventDict:
    return event


def _handlers(options: LogOptions) -> list[logging.Handler]:
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    found: list[logging.Handler] = []
    try:
        for target in options.targets:
            if target in streams:
                found.append(logging.StreamHandler(streams[target]))
            else:
                found.append(logging.FileHandler(target))
        if options.rotate:
            found.append(
                SharedRotatingFile(
                    options.rotate, options.rotate_max_bytes, options.rotate_max_backups
                )
            )
    except OSError as error:
        raise StartError(f"can't write the log {error.filename}: {error.strerror}") from None
    return found
