"""Adapters of every variety, inline and awaiting, that keep what they were given or refuse it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from mixer.adapter import (
    Adapter,
    Checks,
    ChecksWithOutput,
    Config,
    Generates,
    Instance,
    Kubernetes,
    KubernetesOutput,
    Line,
    ListEntry,
    LogEntry,
    Metric,
    Output,
    Reports,
    Shape,
    Variety,
    Verdict,
    text,
)

KEPT: list[str] = []
"""What adapters were given, in order; whoever runs a mixer empties it before."""


class Nothing(Config, frozen=True):
    """No params."""


def judged(value: object) -> Verdict:
    """Some values are refused, some have no say, and some are more than an adapter can bear."""
    match text(value)[:1] if isinstance(value, str | int | bytes) else "":
        case "x":
            return Verdict.deny(f"{value!r} is refused", valid_for=1.5)
        case "b":
            raise RuntimeError(f"{value!r} is too much")
        case "a":
            return Verdict(valid_for=0, valid_uses=0)
        case _:
            return Verdict(valid_for=7.25, valid_uses=77)


class Judge(Adapter[Nothing], Checks[ListEntry], name="judge"):
    """Answers at once."""

    def check(self, instance: ListEntry, /) -> Verdict:
        KEPT.append(f"{self.env.name} {instance}")
        return judged(instance.value)


class SlowJudge(Adapter[Nothing], Checks[ListEntry], name="slowjudge"):
    """Lets others run before it answers."""

    async def check(self, instance: ListEntry, /) -> Verdict:
        await asyncio.sleep(0)
        return judged(instance.value)


class LookedUp(Output, frozen=True):
    """What a login yields."""

    user: str | None = None
    level: int | None = None


class Login(Instance, frozen=True, gc=False):
    """A token to look up."""

    template = "login"
    variety = Variety.CHECK_WITH_OUTPUT
    output = LookedUp

    token: str = ""
    """The token."""


class Logins(Adapter[Nothing], ChecksWithOutput[Login, LookedUp], name="logins"):
    """Knows the user of every token, and the level of some."""

    def check_with_output(self, instance: Login, /) -> tuple[Verdict, LookedUp]:
        level = None if len(instance.token) % 2 else len(instance.token)
        return judged(instance.token), LookedUp(user=instance.token[1:], level=level)


class Names(Adapter[Nothing], Generates[Kubernetes, KubernetesOutput], name="names"):
    """Knows pods by the text that stands for their id."""

    async def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        if instance.source_uid == "b":
            raise RuntimeError("no such pod")
        labels = {"a": "x"} if instance.source_uid == "a" else None
        name = instance.source_uid or None
        return KubernetesOutput(source_pod_name=name, source_labels=labels, source_namespace="shop")


class Notes(Adapter[Nothing], Reports[LogEntry | Metric], name="notes"):
    """Keeps whole instances, and bears only some."""

    def report(self, batch: Sequence[LogEntry | Metric], /) -> None:
        KEPT.extend(f"{self.env.name} {instance}" for instance in batch)
        if any("b" in told(instance).values() for instance in batch):
            raise RuntimeError("too much")


class SlowNotes(Adapter[Nothing], Reports[LogEntry | Metric], name="slownotes"):
    """Keeps them later."""

    async def report(self, batch: Sequence[LogEntry | Metric], /) -> None:
        await asyncio.sleep(0)
        KEPT.extend(f"{self.env.name} {instance}" for instance in batch)


def shown(value: object) -> str:
    """Some texts are more than an adapter can show."""
    if value in ("b", b"b"):
        raise RuntimeError(f"{value!r} can't be shown")
    return repr(value)


class Scribe(Adapter[Nothing], Reports[LogEntry | Metric], name="scribe"):
    """Does nothing with what it gets but show it."""

    async def open(self) -> None:
        self.lines = {
            shape.name: Line(
                [
                    f"{self.env.name} {shape.name} ",
                    *[
                        (path, shown)
                        for path in sorted(shape.types)
                        if not path.startswith("monitored")
                    ],
                    ";",
                ]
            )
            for shape in self.env.shapes
        }

    def line(self, shape: Shape, /) -> Line:
        return self.lines[shape.name]

    def report(self, batch: Sequence[LogEntry | Metric | str], /) -> None:
        KEPT.extend(
            [one if isinstance(one, str) else self.lines[one.name].of(one) for one in batch]
        )


class Expires(Adapter[Nothing], Reports[LogEntry], name="expires"):
    """Has series of prometheus expire that were not fed by now."""

    async def report(self, batch: Sequence[LogEntry], /) -> None:
        await asyncio.sleep(0)
        exporter: Any = self.env.shared("prometheus at 127.0.0.1:0", nullcontext)
        for families in exporter._families.values():
            for family in families:
                family.expire(before=1.0)


class Numbers(list[float]):
    """What one series was given."""

    def take(self, numbers: Sequence[float]) -> None:
        """Take more of it."""
        self.extend(map(float, numbers))


class Sums(Adapter[Nothing], Reports[Metric], name="sums"):
    """Keeps numbers by name and dimensions, all it can; wants some instances whole."""

    async def open(self) -> None:
        self.sums: dict[tuple[str, str], Numbers] = {}

    def report(self, batch: Sequence[Metric], /) -> None:
        failures = []
        for instance in batch:
            value = instance.value
            if not isinstance(value, int | float):
                failures.append(f"{value!r} is no number")
                continue
            if instance.dimensions.get("a") == "x":
                KEPT.append(f"{self.env.name} {instance}")
            self._sum(instance).take([value])
        if failures:
            raise ValueError(", ".join(failures))

    def tally(self, instance: Metric, /) -> Callable[[Sequence[float]], None] | None:
        return None if instance.dimensions.get("a") == "x" else self._sum(instance).take

    def _sum(self, instance: Metric) -> Numbers:
        dimensions = {name: text(value) for name, value in instance.dimensions.items()}
        return self.sums.setdefault((instance.name, str(dimensions)), Numbers())

    async def close(self) -> None:
        for (name, dimensions), numbers in sorted(self.sums.items()):
            if numbers:
                KEPT.append(f"{self.env.name} {name} {dimensions}: {sorted(map(repr, numbers))}")
        self.sums = {}


def told(instance: LogEntry | Metric) -> dict[str, object]:
    """The content of an instance."""
    return dict(instance.dimensions if isinstance(instance, Metric) else instance.variables)


ADAPTERS = (Judge, SlowJudge, Logins, Names, Notes, SlowNotes, Sums, Scribe, Expires)
