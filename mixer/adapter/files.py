"""Files that belong to a handler's config and change while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from attributes import Duration
from mixer.adapter.base import Env
from mixer.adapter.config import Config

T = TypeVar("T")
C = TypeVar("C", bound=Config)


class BadFile(Exception):
    """A file that is wrong; the message says where."""


class Followed(Generic[T]):
    """
    What stands in a file, read anew when it changes.

    A file that is wrong keeps the handler from opening; later it leaves what there was in force,
    and is logged. Without a file nothing is read.
    """

    def __init__(
        self,
        file: str,
        every: Duration,
        read: Callable[[Path], T],
        take: Callable[[T], None],
        env: Env,
    ) -> None:
        """*read* blocks, and raises OSError and `BadFile`; *take* is given what it returned."""
        self._file, self._every = Path(file) if file else None, every
        self._read, self._take, self._env = read, take, env
        self._stamp = 0
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the file, and follow it. Raises OSError and `BadFile`."""
        if self._file is None:
            return
        await self._renew(self._file)
        self._watching = self._env.spawn(self._watch(), f"follow {self._file}")

    async def refresh(self) -> None:
        """Read the file again, if it changed."""
        if self._file is None:
            return
        try:
            if self._file.stat().st_mtime_ns != self._stamp:
                await self._renew(self._file)
        except (OSError, BadFile) as error:
            self._env.log.error(
                "a file can't be read; what it said before stays in force",
                handler=self._env.name,
                error=str(error),
            )

    async def close(self) -> None:
        """Follow the file no more."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})

    async def _renew(self, file: Path) -> None:
        self._stamp = file.stat().st_mtime_ns
        self._take(await self._env.work(self._read, file))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every.seconds)
            await self.refresh()


def listed(file: Path, word: str, entry: type[C]) -> list[C]:
    """
    The entries under *word* in a YAML *file*, in the words of params; blocks.

    Raises OSError and `BadFile`.
    """
    strict: Any = msgspec.defstruct(
        entry.__name__, [], bases=(entry,), frozen=True, forbid_unknown_fields=True
    )
    try:
        # Its values are all texts, which the types then read: no date or `yes` surprises.
        said = yaml.load(file.read_bytes(), yaml.BaseLoader) or {}
        if not isinstance(said, dict) or set(said) - {word}:
            raise BadFile(f"{file}: must say `{word}:` and nothing else")
        plain = [
            {_snake(key): value for key, value in one.items()} if isinstance(one, dict) else one
            for one in said.get(word) or []
        ]
        found: list[C] = msgspec.convert(plain, list[strict], strict=False)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadFile(f"{file}: {error}") from None
    return found


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
