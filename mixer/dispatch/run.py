"""
Runs verbs: inline ones in order, awaited ones side by side, each behind its own bulkhead.

Law: whatever an adapter does, what comes out is its result or a `Fault`, and it is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

from mixer.rules.routes import Call, Pending

Waiting: TypeAlias = Coroutine[Any, Any, None]
"""Sets the result of an awaited verb when it is there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a handler gave no result."""

    message: str


async def run(pending: Sequence[Pending]) -> list[Any]:
    """Run all of *pending* and return their results, or faults, in the same order."""
    results, waiting = begin(pending)
    if waiting:
        await finish(waiting)
    return results


def begin(pending: Sequence[Pending], *more: Any) -> tuple[list[Any], list[Waiting]]:
    """
    Run the inline ones of *pending*, whose verbs take *more* arguments, too.

    Returns all results in order, and what sets those that are due.
    """
    results: list[Any] = []
    waiting: list[Waiting] = []
    for _, call, built in pending:
        arguments = built + more
        if call.waits:
            waiting.append(_awaited(call, arguments, results, len(results)))
            results.append(None)
        else:
            results.append(_inline(call, arguments))
    return results, waiting


async def finish(waiting: Sequence[Waiting]) -> None:
    """Wait for the awaited ones."""
    await asyncio.gather(*waiting)  # one alone as well: a timeout needs a task of its own


def _inline(call: Call, arguments: tuple[Any, ...]) -> Any:
    started = perf_counter()
    try:
        result = call.verb(*arguments)
    except Exception as error:
        result = _fault(call, error)
    else:
        if result.__class__ is call.expects or isinstance(result, call.expects):
            call.observer.succeeded(perf_counter() - started)
            return result
        result = _unexpected(call, result)
    call.observer.failed(perf_counter() - started)
    return result


async def _awaited(call: Call, arguments: tuple[Any, ...], results: list[Any], at: int) -> None:
    started = perf_counter()
    try:
        result = await call.verb(*arguments)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # nobody waits for the answer any more
        # What the adapter itself waited for was cancelled, such as by closing its handler.
        result = Fault(f"{call.title}: the adapter gave up")
    except Exception as error:
        result = _fault(call, error)
    else:
        if isinstance(result, call.expects):
            results[at] = result
            call.observer.succeeded(perf_counter() - started)
            return
        result = _unexpected(call, result)
    results[at] = result
    call.observer.failed(perf_counter() - started)


def _unexpected(call: Call, result: Any) -> Fault:
    return Fault(
        f"{call.title}: adapter {call.adapter!r} returned {type(result).__name__} "
        f"instead of {call.expects.__name__}"
    )


def _fault(call: Call, error: Exception) -> Fault:
    return Fault(f"{call.title}: {error or type(error).__name__}")


def error_list(messages: Sequence[str]) -> str:
    """Several errors as the text that callers of the original know (spec: runtime, errors)."""
    head = "1 error" if len(messages) == 1 else f"{len(messages)} errors"
    return f"{head} occurred:\n" + "".join(f"\t* {message}\n" for message in messages) + "\n"
