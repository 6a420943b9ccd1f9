"""
What an adapter is: a config, a lifecycle and one or more verbs.

Lifecycle: ``__init__`` does no I/O, `open` may, then verbs are called, then `close`, which may
be called twice and flushes. All of it happens on one event loop.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import monotonic, time_ns
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from structlog.typing import FilteringBoundLogger

from mixer.adapter.config import Config, FieldProblem
from mixer.adapter.hosting import Queue
from mixer.adapter.line import Line
from mixer.adapter.results import Grant, QuotaArgs, Verdict
from mixer.adapter.table import Table
from mixer.adapter.tasks import Tasks
from mixer.adapter.template import Instance, Output, Shape, Variety

C = TypeVar("C", bound=Config)
I_contra = TypeVar("I_contra", bound=Instance, contravariant=True)
O_co = TypeVar("O_co", bound=Output, covariant=True)
T = TypeVar("T")
P = ParamSpec("P")


class Shares(Protocol):
    """Things that several handlers of one process share, such as a listening port."""

    def __call__(self, key: str, make: Callable[[], AbstractContextManager[T]], /) -> T:
        """
        Return what *make* gives on entering, made once per *key*.

        It is exited after the last handler that asked for it has closed.
        """
        ...


class Exposes(Protocol):
    """Serves the metrics of a handler for all workers of a server."""

    async def __call__(self, host: str, port: int, page: Callable[[], str], /) -> int:
        """
        Serve *page*, Prometheus text, at ``/metrics`` of the address; return the port in use.

        The pages of all workers are merged: counters and histograms add up, and of a gauge the
        value with the latest time counts, a number after the value that only the merger sees.
        *page* is called from any thread, and served until the handler has closed. Raises OSError
        where the address can't be had.
        """
        ...


def _alone() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Env:
    """What the host lends a handler."""

    name: str
    """The handler's display name, such as ``denyall.istio-system``."""

    log: FilteringBoundLogger
    shared: Shares
    tasks: Tasks
    """Background work; see `spawn` and `work`."""

    shapes: Sequence[Shape] = ()
    """What rules will send to this handler, in order of name."""

    clock: Callable[[], float] = field(default=monotonic)
    """Seconds of a clock that never goes back."""

    now: Callable[[], int] = field(default=time_ns)
    """Nanoseconds since 1970 UTC."""

    table: Callable[[], Table | None] = field(default=_alone)
    """Gives the records that the handler shares with itself in other workers; None where there
    are none, so that its own memory will do. They outlive a reload and a worker's death as long
    as the handler stays the same."""

    expose: Exposes | None = None
    """How to serve metrics where several workers do; None where the handler may do so itself."""

    def spawn(self, work: Coroutine[Any, Any, T], name: str = "") -> Task[T]:
        """
        Run *work* in the background, as long as the handler is open.

        `close` cancels and awaits it; what still runs after that is cancelled, and logged as
        leaked. An exception that ends it is logged too.
        """
        return self.tasks.spawn(work, name)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a *function* that blocks in one of a few threads that the handler has to itself."""
        return await self.tasks.work(function, *args, **kwargs)


class Checks(Generic[I_contra]):
    """Decides: allow or deny. ``def`` runs inline and must not block; ``async def`` is awaited."""

    __slots__ = ()

    @abstractmethod
    def check(self, instance: I_contra, /) -> Verdict | Awaitable[Verdict]: ...


class ChecksWithOutput(Generic[I_contra, O_co]):
    """Decides, and returns data that header operations of the rule may use."""

    __slots__ = ()

    @abstractmethod
    def check_with_output(
        self, instance: I_contra, /
    ) -> tuple[Verdict, O_co] | Awaitable[tuple[Verdict, O_co]]: ...


class Allocates(Generic[I_contra]):
    """Hands out quota."""

    __slots__ = ()

    @abstractmethod
    def allocate(self, instance: I_contra, args: QuotaArgs, /) -> Grant | Awaitable[Grant]: ...


class Reports(Generic[I_contra]):
    """Consumes telemetry, always in batches of one template."""

    __slots__ = ()

    @abstractmethod
    def report(self, batch: Sequence[I_contra], /) -> Awaitable[None] | None: ...

    def tally(self, instance: I_contra, /) -> Callable[[Sequence[int | float]], None] | None:
        """
        What takes the numbers of all instances of a Report that are equal but for the measured one.

        A fast way, which an adapter need not offer: None where instances are wanted whole, in
        `report`. *instance* is one of them. What is returned is called for each Report that has
        any, as long as the handler is open, with the number of each: 0 or more, finite, of a
        duration the nanoseconds. It must not block, and not raise.
        """
        return None

    def line(self, shape: Shape, /) -> Line | None:
        """
        How instances of *shape* are shown, by a handler that does nothing else with them.

        A fast way, which an adapter need not offer: None where instances are wanted whole. Else
        some of a batch that `report` is given are no instances but what `Line.of` would give of
        them, at their places, made of fields that were shown before.
        """
        return None


class Generates(Generic[I_contra, O_co]):
    """Finds further attributes of a call before rules see it."""

    __slots__ = ()

    @abstractmethod
    def generate(self, instance: I_contra, /) -> O_co | Awaitable[O_co]: ...


VERBS: dict[Any, str] = {
    Checks: "check",
    ChecksWithOutput: "check_with_output",
    Allocates: "allocate",
    Reports: "report",
    Generates: "generate",
}


VERB_OF: dict[Variety, str] = {
    Variety.CHECK: "check",
    Variety.CHECK_WITH_OUTPUT: "check_with_output",
    Variety.QUOTA: "allocate",
    Variety.REPORT: "report",
    Variety.ATTRIBUTE_GENERATOR: "generate",
}
"""The verb that takes templates of each variety."""

RETURNS: dict[str, type] = {
    "check": Verdict,
    "check_with_output": tuple,
    "allocate": Grant,
    "report": type(None),
    "generate": Output,
}
"""What each verb answers."""


class Adapter(Generic[C]):
    """
    Base of all adapters, subclassed with its config and its verbs::

        class Greeter(Adapter[GreeterConfig], Checks[ListEntry | CheckNothing], name="greeter"): ...
    """

    name: ClassVar[str]
    config_type: ClassVar[type[Config]]
    verbs: ClassVar[dict[type[Instance], str]]
    """The method that takes each template."""

    def __init__(self, config: C, env: Env) -> None:
        self.config = config
        self.env = env

    def __init_subclass__(cls, *, name: str, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = name
        cls.verbs = dict(getattr(cls, "verbs", {}))
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if origin is Adapter:
                cls.config_type = arguments[0]
            elif verb := VERBS.get(origin):
                if verb not in cls.__dict__:
                    raise TypeError(
                        f"adapter {name!r} promises {base} but does not define {verb}()"
                    )
                cls.verbs |= dict.fromkeys(_members(arguments[0]), verb)
        if not cls.verbs:
            raise TypeError(
                f"adapter {name!r} has no verb; subclass at least one of "
                + ", ".join(verb.__name__ for verb in VERBS)
            )

    @classmethod
    def problems(cls, config: C, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """
        Find what is wrong with *config* beyond its types, given the *shapes* routed to it.

        Does no I/O: ``mixs validate`` asks it too.
        """
        return ()

    @classmethod
    def queue(cls, config: C) -> Queue | None:
        """
        The queue for reports where the handler says nothing of it; None: a Report waits.

        By default there is one if `report` is a coroutine function.
        """
        return Queue() if waits(getattr(cls, "report", None)) else None

    async def open(self) -> None:
        """Connect, load, start background work. An exception keeps the handler out of service."""

    async def close(self) -> None:
        """Flush and release; may be called twice."""


def waits(method: object) -> bool:
    """Tell whether a verb is to be awaited, once, when the rules are compiled."""
    return inspect.iscoroutinefunction(method)


def _members(annotation: Any) -> list[type[Instance]]:
    """
    The templates of a verb, by name.

    Their order in the source is not to be had: typing gives equal unions as one object.
    """
    joined = get_origin(annotation) in (Union, UnionType)
    members = get_args(annotation) if joined else (annotation,)
    return sorted(members, key=lambda template: template.template)
