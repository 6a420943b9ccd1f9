"""Adapters as others write them: never run, only type-checked, so that the kit's types stay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, ClassVar, assert_type

from mixer.adapter import (
    ALLOW,
    Adapter,
    Allocates,
    CheckNothing,
    Checks,
    ChecksWithOutput,
    Config,
    Duration,
    Env,
    FieldProblem,
    Generates,
    Grant,
    Instance,
    Kubernetes,
    KubernetesOutput,
    Line,
    ListEntry,
    LogEntry,
    Meta,
    Metric,
    Output,
    PartlyRefused,
    Positive,
    Quota,
    QuotaArgs,
    Refused,
    Reports,
    Shape,
    Timestamp,
    Unavailable,
    Value,
    Variety,
    Verdict,
    hookimpl,
)
from mixer.adapter.contract import broken_promises
from mixer.adapter.hosting import Queue
from mixer.adapter.testing import running
from mixer.adapter.trial import Findings, trial


class Peer(Config, frozen=True):
    """Where the back end is."""

    address: str
    """HOST:PORT."""

    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """How much to send."""


class MyConfig(Config, frozen=True):
    """Params."""

    peers: tuple[Peer, ...] = ()
    """Back ends."""

    pause: Duration = Duration.of(1)
    """How long to wait."""

    size: Positive = 10
    """How many."""

    by_name: dict[str, Peer | None] = {}
    """Others."""


class Risk(Instance, frozen=True, gc=False):
    """A template of a plugin's own."""

    template: ClassVar[str] = "risk"
    variety: ClassVar[Variety] = Variety.CHECK_WITH_OUTPUT

    user: str = ""
    """Who."""

    amount: int = 0
    """How much."""

    at: Timestamp = Timestamp(0)
    """When."""

    facts: dict[str, Value] = {}
    """What else."""


class RiskOutput(Output, frozen=True):
    """What is found out."""

    score: float | None = None
    """How risky."""


class Mine(
    Adapter[MyConfig],
    Checks[CheckNothing | ListEntry],
    ChecksWithOutput[Risk, RiskOutput],
    Allocates[Quota],
    Reports[LogEntry | Metric],
    Generates[Kubernetes, KubernetesOutput],
    name="mine",
):
    """All verbs, some of which wait."""

    def __init__(self, config: MyConfig, env: Env) -> None:
        super().__init__(config, env)
        assert_type(self.config, MyConfig)
        self._started = env.clock()

    @classmethod
    def problems(cls, config: MyConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        for index, peer in enumerate(config.peers):
            if ":" not in peer.address:
                yield FieldProblem(f"peers[{index}].address", "no port", "write HOST:PORT")

    async def open(self) -> None:
        self._task = self.env.spawn(self._refresh(), "refresh")
        assert_type(await self.env.work(len, "blocking"), int)

    async def _refresh(self) -> None:
        raise Unavailable("back end away", after=1.0)

    @classmethod
    def queue(cls, config: MyConfig) -> Queue | None:
        return Queue(size=config.size)

    def check(self, instance: CheckNothing | ListEntry, /) -> Verdict:
        return ALLOW if isinstance(instance, CheckNothing) else Verdict.deny("no", valid_for=5)

    async def check_with_output(self, instance: Risk, /) -> tuple[Verdict, RiskOutput]:
        return ALLOW, RiskOutput(score=instance.amount / 10)

    async def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        return Grant(args.amount, valid_for=1.0)

    async def report(self, batch: Sequence[LogEntry | Metric], /) -> None:
        if not batch:
            raise Refused("nothing there")
        raise PartlyRefused("some of it", again=batch[1:], lost=1)

    def tally(self, instance: Metric | LogEntry, /) -> Callable[[Sequence[float]], None] | None:
        return None

    def line(self, shape: Shape, /) -> Line | None:
        return Line(["user=", ("variables.user", str)])

    def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        return KubernetesOutput(source_namespace=instance.source_uid)

    async def close(self) -> None:
        self._task.cancel()


async def tried() -> None:
    async with running(Mine, MyConfig()) as mine:
        assert_type(mine, Mine)
        assert_type(mine.check(CheckNothing()), Verdict)
        answer: Awaitable[Grant] = mine.allocate(Quota(), QuotaArgs(1))
        await answer
    assert_type(broken_promises(Mine), list[str])
    assert_type(await trial(Mine, MyConfig()), Findings)


@hookimpl
def mixer_adapters() -> list[type[Mine]]:
    return [Mine]
