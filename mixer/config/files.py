"""Which files a configuration consists of, in configuration order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from mixer.errors import StartError

SUFFIXES = (".yaml", ".yml")
Source: TypeAlias = str | Path
"""A directory or a file, as a path or as an ``fs://`` URL."""

_NOT_YET = {"k8s", "kube", "kubernetes", "mcp", "mcps"}


def roots(sources: Source | Sequence[Source]) -> list[Path]:
    """
    Turn what the command line says into paths.

    Raises StartError for a store that is not supported.
    """
    listed = [sources] if isinstance(sources, str | Path) else sources
    return [_root(str(source)) for source in listed]


def _root(source: str) -> Path:
    scheme, separator, rest = source.partition("://")
    if not separator:
        return Path(source)
    if scheme == "fs":
        return Path(unquote(rest))
    reason = "is not supported yet" if scheme in _NOT_YET else "is not a known store"
    raise StartError(
        f"configuration store {source!r}: {scheme}:// {reason}; "
        "mount the resources as files and use fs:///PATH"
    )


def walk(root: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """
    Yield the YAML files under *root*, or *root* itself if it is a file, in lexical order.

    Symbolic links are followed, each real file is given once, and names that begin with a dot
    are passed over: so a mounted ConfigMap, whose links lead through ``..data``, reads as its
    plain names. Raises StartError if *root* can't be read.
    """
    if root.is_file():
        yield root
        return
    try:
        os.listdir(root)
    except OSError as error:
        raise StartError(
            f"configuration directory {str(root)!r} can't be read: {error.strerror}"
        ) from None
    yield from _walk(root, unreadable, set())


def _walk(
    folder: Path, unreadable: Callable[[OSError], None], seen: set[tuple[int, int]]
) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        unreadable(error)
        return
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        try:
            status = path.stat()
        except OSError as error:
            if name.endswith(SUFFIXES):
                unreadable(error)
            continue
        identity = status.st_dev, status.st_ino
        if identity in seen:
            continue
        if path.is_dir():
            seen.add(identity)
            yield from _walk(path, unreadable, seen)
        elif name.endswith(SUFFIXES) and path.is_file():
            seen.add(identity)
            yield path
