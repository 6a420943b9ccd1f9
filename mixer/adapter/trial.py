"""
Tries an adapter the way a server would treat it, and tells what it did not keep of its contract.

`contract` looks at what can be seen without opening it; here it is opened, called and closed.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, get_origin

import msgspec

from attributes import Timestamp, ValueType
from mixer.adapter.base import RETURNS, Adapter
from mixer.adapter.config import Config
from mixer.adapter.contract import broken_promises
from mixer.adapter.outages import PASSING
from mixer.adapter.results import QuotaArgs
from mixer.adapter.template import Instance, Shape
from mixer.adapter.testing import Leaked, Rejected, running

STALL_SECONDS = 0.25
"""So long a verb, `open` or `close` may keep the event loop from everything else."""

TRIAL_SECONDS = 0.2
"""How long each verb is called for the figure of its throughput."""

PATIENCE = 10.0
"""Seconds for `open`, for `close` and for the first call of each verb."""


@dataclass(slots=True)
class Findings:
    """What a trial found."""

    broken: list[str] = field(default_factory=list)
    """Promises that were not kept."""

    notes: list[str] = field(default_factory=list)
    """What could not be tried, and figures."""


async def trial(adapter: type[Adapter[Any]], *configs: Config) -> Findings:
    """
    Try *adapter* with each of *configs*; with none, with all its defaults.

    It is opened, each verb is called with sample instances, and it is closed twice, opened again
    and closed. A back end that is away is no broken promise: verbs may raise `Unavailable`, OSError
    or TimeoutError, and the findings note what could not be tried.
    """
    found = Findings(broken_promises(adapter))
    if found.broken:
        return found
    for config in configs or (adapter.config_type(),):
        await _lives(adapter, config, found)
        for template, verb in adapter.verbs.items():
            await _works(adapter, config, template, verb, found)
    found.notes = list(dict.fromkeys(found.notes))
    found.broken = list(dict.fromkeys(found.broken))
    return found


async def _lives(adapter: type[Adapter[Any]], config: Config, found: Findings) -> None:
    """Open, close, close again, twice over."""
    with _watched("open and close", found):
        for _ in range(2):
            try:
                async with asyncio.timeout(PATIENCE), running(adapter, config) as opened:
                    await opened.close()
            except Leaked as error:
                found.broken.append(f"close() leaves tasks behind: {error}")
            except Rejected as error:
                found.notes.append(f"not opened without instances, since {error}")
            except PASSING as error:
                found.notes.append(f"not opened, its back end is away: {_said(error)}")
            except Exception as error:
                found.broken.append(f"open() or close() raised {_said(error)}")


async def _works(
    adapter: type[Adapter[Any]],
    config: Config,
    template: type[Instance],
    verb: str,
    found: Findings,
) -> None:
    """Call *verb* with a sample of *template*."""
    instance, shape = _fitting(adapter, config, template)
    what = f"{verb}({template.__name__})"
    try:
        with _watched(what, found):
            async with running(adapter, config, shapes=[shape]) as opened:
                await _called(opened, instance, verb, what, found)
    except Rejected as error:
        found.notes.append(f"{what} was not tried: with a sample of it, {error}")
    except Leaked:
        pass  # `_lives` tells
    except PASSING as error:
        found.notes.append(f"{what} was not tried, the back end is away: {_said(error)}")
    except Exception as error:
        found.broken.append(f"{what} raised {_said(error)}")


async def _called(
    opened: Adapter[Any], instance: Instance, verb: str, what: str, found: Findings
) -> None:
    method = getattr(opened, verb)
    arguments: tuple[Any, ...] = (instance,)
    if verb == "allocate":
        arguments = (instance, QuotaArgs(deduplication_id=""))
    elif verb == "report":
        arguments = ([instance],)
    async with asyncio.timeout(PATIENCE):
        answer = method(*arguments)
        if waits := inspect.isawaitable(answer):
            answer = await answer
    if not isinstance(answer, RETURNS[verb]):
        wanted = RETURNS[verb].__name__
        found.broken.append(f"{what} returned {type(answer).__name__} instead of {wanted}")
        return
    calls, started = 0, perf_counter()
    while (passed := perf_counter() - started) < TRIAL_SECONDS:
        for _ in range(20):
            answer = method(*arguments)
            if waits:
                await answer
        calls += 20
        await asyncio.sleep(0)
    found.notes.append(f"{what}: {calls / passed:,.0f} calls a second, one after the other")


def sample(
    template: type[Instance], name: str = "", keys: Sequence[str] = ("sample",)
) -> tuple[Instance, Shape]:
    """
    An instance of *template* with a plausible value in each field, and its shape.

    Its maps have the given *keys*.
    """
    types: dict[str, ValueType] = {}
    values = _values(template, "", keys, types)
    shape = Shape(name or f"sample.{template.template}.default", template, types)
    return template(**{**values, "name": shape.name}), shape


def _fitting(
    adapter: type[Adapter[Any]], config: Config, template: type[Instance]
) -> tuple[Instance, Shape]:
    """A sample that *config* speaks of, by name and by the keys of its maps, where there is one."""
    words = list(_words(config))
    names = [word for word in words if isinstance(word, str) and _NAME.fullmatch(word)]
    names.sort(key=lambda name: -name.count("."))  # full names first
    keys = [word for word in words if isinstance(word, tuple)]
    found = sample(template)
    for name in names:
        for some in [("sample",), *keys, ()]:
            candidate = sample(template, name, some)
            if not list(adapter.problems(config, [candidate[1]])):
                return candidate
    return found


def _words(value: Any) -> Iterator[str | tuple[str, ...]]:
    """All texts, and all lists of texts, in *value*."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _words(key)
            yield from _words(inner)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _words(getattr(value, name))
    elif isinstance(value, tuple):
        if value and all(isinstance(inner, str) for inner in value):
            yield value
        for inner in value:
            yield from _words(inner)


_NAME = re.compile(r"[\w-]+(\.\w+\.[\w-]+)?")
"""NAME or NAME.KIND.NAMESPACE."""


def _values(
    struct: type[Instance], path: str, keys: Sequence[str], types: dict[str, ValueType]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in msgspec.structs.fields(struct):
        if one.name == "name":
            continue
        annotation = one.type
        if get_origin(annotation) is dict:
            values[one.name] = dict.fromkeys(keys, "text")
            types |= {f"{path}{one.name}.{key}": ValueType.STRING for key in keys}
        elif isinstance(annotation, type) and issubclass(annotation, Instance):
            values[one.name] = annotation(**_values(annotation, f"{path}{one.name}.", keys, types))
        else:
            # What may be of any type is a number: metrics want one, and others take it too.
            value, types[path + one.name] = _SAMPLES.get(annotation, (1, ValueType.INT64))
            values[one.name] = value
    return values


_SAMPLES: dict[Any, tuple[Any, ValueType]] = {
    str: ("text", ValueType.STRING),
    int: (1, ValueType.INT64),
    float: (1.5, ValueType.DOUBLE),
    bool: (True, ValueType.BOOL),
    bytes: (b"\x7f\x00\x00\x01", ValueType.IP_ADDRESS),
    Timestamp: (Timestamp(0), ValueType.TIMESTAMP),
}


@contextmanager
def _watched(what: str, found: Findings) -> Iterator[None]:
    """Note where the event loop, in this thread, was kept busy for longer than it may be."""
    loop, thread = asyncio.get_running_loop(), threading.get_ident()
    done = threading.Event()
    ticked = perf_counter()
    places: list[str] = []

    handle: asyncio.Handle

    def tick() -> None:
        nonlocal ticked, handle
        ticked = perf_counter()
        handle = loop.call_later(STALL_SECONDS / 10, tick)

    def watch() -> None:
        while not done.wait(STALL_SECONDS / 4):
            if perf_counter() - ticked > STALL_SECONDS:
                frame = sys._current_frames().get(thread)
                if frame is not None:
                    places.append(_place(traceback.extract_stack(frame)))
                    return

    handle = loop.call_soon(tick)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        handle.cancel()
        done.set()
        watcher.join()
    found.broken += [f"{what} blocks the event loop at {place}; see `Env.work`" for place in places]


def _place(stack: Sequence[traceback.FrameSummary]) -> str:
    """The innermost line that is not of Python's own library."""
    library = traceback.__file__.rpartition("/")[0]
    own = [line for line in stack if not line.filename.startswith(library + "/")] or list(stack)
    return f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
