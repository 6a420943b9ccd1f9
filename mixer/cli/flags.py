"""Flags as the original spells them: one table line each, values in Go's text forms."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from attributes import Duration


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command."""

    name: str
    default: Any
    help: str
    read: Callable[[str], Any] = str
    """Raises ValueError that says what the value should be."""

    short: str = ""
    repeated: bool = False
    idle: str = ""
    """Why the flag has no effect, where it is there only so that old command lines work."""

    @property
    def dest(self) -> str:
        """The name of the parsed argument."""
        return self.name.replace("-", "_")


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and takes no abbreviations, as Go's does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self._intermixes = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Flags may stand between arguments; argparse itself would lose those that follow."""
        if self._intermixes or not self._takes_arguments():
            return super().parse_known_args(args, namespace)
        self._intermixes = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixes = False

    def _takes_arguments(self) -> bool:
        return bool(self._get_positional_actions()) and self._subparsers is None

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def truth(text: str) -> bool:
    """A boolean as Go's flags take it."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError("true or false")


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """A reader of whole numbers from *least* to *most*."""

    def read(text: str) -> int:
        if text.removeprefix("-").isdecimal() and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"a whole number from {least} to {most}")

    return read


def number(least: float = 0.0, most: float = float("inf")) -> Callable[[str], float]:
    """A reader of numbers from *least* to *most*; ``+Inf`` is infinity."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if least <= value <= most:
            return value
        raise ValueError(f"a number from {least:g} to {most:g}")

    return read


def seconds(text: str) -> float:
    """A duration such as 1m30s, in seconds."""
    try:
        duration = Duration.parse(text)
    except ValueError:
        duration = Duration(-1)
    if duration < 0:
        raise ValueError("a duration such as 300ms, 10s or 2m")
    return duration.seconds


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of *words*."""

    def read(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"one of {', '.join(words)}")

    return read


_NO_TRACE = "tracing is not built yet"
TRACING: tuple[Flag, ...] = (
    Flag("trace_zipkin_url", "", "where spans go", idle=_NO_TRACE),
    Flag("trace_jaeger_url", "", "where spans go", idle=_NO_TRACE),
    Flag("trace_log_spans", False, "log spans", truth, idle=_NO_TRACE),
    Flag("trace_sampling_rate", 0.0, "share of calls traced", number(0, 1), idle=_NO_TRACE),
)
"""What server and client have in common."""


def add(parser: argparse.ArgumentParser, flags: Iterable[Flag]) -> None:
    """Let *parser* take *flags*."""
    for flag in flags:
        names = [f"-{flag.short}"] if flag.short else []
        boolean = flag.read is truth
        optional: dict[str, Any] = {"nargs": "?", "const": True} if boolean else {}
        if flag.repeated:
            optional["action"] = "append"
        shown = "" if flag.default in ("", None, []) else f" (default {_shown(flag)})"
        parser.add_argument(
            *names,
            f"--{flag.name}",
            dest=flag.dest,
            type=_typed(flag.read),
            default=flag.default,
            metavar="BOOL" if boolean else "VALUE",
            help=(flag.help + shown + (f"; {flag.idle}" if flag.idle else "")).replace("%", "%%"),
            **optional,
        )


def idle_notes(flags: Iterable[Flag], arguments: argparse.Namespace) -> tuple[str, ...]:
    """A line for each flag that was given and has no effect."""
    return tuple(
        f"--{flag.name} is accepted and has no effect: {flag.idle}"
        for flag in flags
        if flag.idle and getattr(arguments, flag.dest) != flag.default
    )


def _shown(flag: Flag) -> str:
    """The default as one would write it."""
    if flag.read is seconds:
        return str(Duration.of(flag.default))
    if flag.repeated:
        return ",".join(flag.default)
    if isinstance(flag.default, float):
        return f"{flag.default:g}".replace("inf", "+Inf")
    return str(flag.default).lower() if flag.read is truth else str(flag.default)


def _typed(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def typed(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None

    return typed
