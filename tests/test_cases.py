"""Runs the cases of tests/cases: calls, and what served rules make of them, as data."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.request import urlopen

import msgspec
import pytest
import structlog
import yaml
from _pytest.mark import ParameterSet
from msgspec import Meta
from prometheus_client.parser import text_string_to_metric_families

from attributes import Bag, Duration, Timestamp, Value, ValueType, parse_ip
from bench.server import free_port
from mixer.adapter import Code, QuotaArgs
from mixer.adapter.catalogue import load
from mixer.answers import CheckAnswer, HeaderChange, RouteDirective
from mixer.dispatch.check import check
from mixer.dispatch.report import report
from mixer.errors import RpcError
from mixer.runtime import Options, Runtime, Snapshot
from mixer.telemetry.metrics import Metrics

CASES = Path(__file__).parent / "cases"
CONFIG = Path(__file__).parents[1] / "config"
START = 1_700_000_000.0
LOG = structlog.wrap_logger(
    structlog.PrintLogger(sys.stderr),
    wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
)

Stdout: TypeAlias = pytest.CaptureFixture[str]


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """One call, and what is expected of it. What a step does not mention is not looked at."""

    at: Annotated[str, Meta(description="Time since the case began, such as 10s.")] = "0s"
    check: Annotated[
        dict[str, Any] | None, Meta(description="Attributes by name; a Check is made of them.")
    ] = None
    report: Annotated[
        list[dict[str, Any]] | None, Meta(description="Attributes by name, for each bag.")
    ] = None
    quotas: Annotated[dict[str, int], Meta(description="Amounts asked for, best effort.")] = {}
    deduplication_id: str = ""

    rpc: Annotated[str, Meta(description="Name of the status code of the RPC itself.")] = "OK"
    code: Annotated[str, Meta(description="Name of the status code of the answer.")] = "OK"
    message: Annotated[str | None, Meta(description="The whole message of a denial.")] = None
    valid_for: Annotated[str | None, Meta(description="Such as 60s.")] = None
    valid_uses: int | None = None
    referenced: Annotated[
        dict[str, str] | None,
        Meta(description="EXACT or ABSENCE by NAME or NAME[KEY]: all that there are."),
    ] = None
    request_headers: Annotated[
        list[str] | None, Meta(description="Changes, such as `REPLACE x-user: ann`.")
    ] = None
    response_headers: list[str] | None = None
    direct_code: int | None = None
    direct_body: str | None = None
    granted: Annotated[
        dict[str, int] | None, Meta(description="Amounts by quota: all that there are.")
    ] = None
    quota_valid_for: Annotated[
        dict[str, str] | None, Meta(description="Durations by quota: all that there are.")
    ] = None
    metrics: Annotated[
        dict[str, float],
        Meta(
            description="Values by series, such as `x_total{a=b}`: the sum of the series that have "
            "these labels, and maybe more."
        ),
    ] = {}
    log: Annotated[
        list[dict[str, Any]], Meta(description="Entries of the log, or part of each one.")
    ] = []


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """Calls made one after another to a server that has just started."""

    name: Annotated[str, Meta(description="A sentence that could be false.")]
    steps: list[Step]


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """Cases for one configuration."""

    cases: list[Case]
    files: Annotated[list[str], Meta(description="Paths below config/.")] = []
    inline: Annotated[str, Meta(description="More resources, as YAML text.")] = ""


def schema() -> str:
    """The JSON Schema of a file of cases."""
    return json.dumps(msgspec.json.schema(Cases), indent=2) + "\n"


class Clock:
    """The time of a case, in seconds."""

    def __init__(self) -> None:
        self.seconds = START

    def monotonic(self) -> float:
        return self.seconds

    def unix_nanos(self) -> int:
        return int(self.seconds * 1e9)


class Served:
    """A configuration in force, its clock, and what its handlers gave out."""

    def __init__(self, runtime: Runtime, clock: Clock, metrics: str, stdout: Stdout) -> None:
        self._runtime = runtime
        self._clock = clock
        self._metrics = metrics
        self._stdout = stdout

    @property
    def _snapshot(self) -> Snapshot:
        snapshot = self._runtime.snapshot
        assert snapshot is not None
        return snapshot

    async def run(self, step: Step) -> None:
        """Make the calls of *step* and hold what comes of them against it."""
        self._clock.seconds = START + Duration.parse(step.at).seconds
        if step.check is not None:
            await self._check(step, step.check)
        if step.report is not None:
            bags = [self._attributes(bag) for bag in step.report]
            with self._snapshot as routes:
                await report(routes, bags)
        for series, expected in step.metrics.items():
            assert self._sum(series) == expected, series
        if step.log:
            entries = [json.loads(line) for line in self._stdout.readouterr().out.splitlines()]
            assert [
                {key: entry.get(key) for key in expected}
                for entry, expected in zip(entries, step.log, strict=True)
            ] == step.log

    async def _check(self, step: Step, sent: Mapping[str, Any]) -> None:
        call = step.deduplication_id
        quotas = {
            name: QuotaArgs(amount, True, call and call + name)
            for name, amount in step.quotas.items()
        }
        bag = Bag(self._attributes(sent))
        if step.rpc != "OK":
            with self._snapshot as routes, pytest.raises(RpcError) as raised:
                await check(routes, bag, quotas)
            assert raised.value.code.name == step.rpc, raised.value.message
            return
        with self._snapshot as routes:
            answer = await check(routes, bag, quotas)
        assert Code(answer.precondition.code).name == step.code, answer.precondition.message
        for field, found in shown(answer).items():
            expected = getattr(step, field)
            if expected is not None:
                assert found == normal(field, expected), field

    def _attributes(self, sent: Mapping[str, Any]) -> dict[str, Value]:
        vocabulary = self._snapshot.plan.model.vocabulary
        return {name: value(text, vocabulary[name].type) for name, text in sent.items()}

    def _sum(self, series: str) -> float:
        """The sum of all samples that have the name and the labels of *series*."""
        name, _, labels = series.removesuffix("}").partition("{")
        wanted = dict(label.split("=", 1) for label in labels.split(",") if label)
        with urlopen(self._metrics) as response:
            text = response.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and wanted.items() <= sample.labels.items()
        )


def normal(field: str, expected: Any) -> Any:
    """What a step expects, with durations in the one form that `shown` gives them."""
    if field == "valid_for":
        return str(Duration.parse(expected))
    if field == "quota_valid_for":
        return {name: str(Duration.parse(text)) for name, text in expected.items()}
    return expected


def shown(answer: CheckAnswer) -> dict[str, Any]:
    """An answer by the names and in the forms that steps are written in."""
    precondition = answer.precondition
    directive = precondition.directive or RouteDirective()
    return {
        "message": precondition.message,
        "valid_for": str(Duration.of(precondition.valid_for)),
        "valid_uses": precondition.valid_uses,
        "referenced": {
            name if key is None else f"{name}[{key}]": reference.name
            for (name, key), reference in precondition.seen.references.items()
        },
        "request_headers": [change(header) for header in directive.request_headers],
        "response_headers": [change(header) for header in directive.response_headers],
        "direct_code": directive.direct_code,
        "direct_body": directive.direct_body,
        "granted": {name: quota.granted for name, quota in answer.quotas.items()},
        "quota_valid_for": {
            name: str(Duration.of(quota.valid_for)) for name, quota in answer.quotas.items()
        },
    }


def change(header: HeaderChange) -> str:
    """A header change as steps are written."""
    return f"{header.verb.name} {header.name}" + (f": {header.value}" if header.value else "")


def value(written: Any, kind: ValueType) -> Value:
    """The attribute value of type *kind* that YAML's *written* stands for."""
    match kind:
        case ValueType.TIMESTAMP:
            return Timestamp.parse(written)
        case ValueType.DURATION:
            return Duration.parse(written)
        case ValueType.IP_ADDRESS:
            return parse_ip(written)
        case _:
            result: Value = written
            return result


def cases() -> Iterator[ParameterSet]:
    """Every case of every file."""
    for file in sorted(CASES.glob("*.yaml")):
        read = msgspec.convert(yaml.safe_load(file.read_text()), Cases)
        for case in read.cases:
            yield pytest.param(read, case, id=f"{file.stem}: {case.name}")


@pytest.mark.parametrize(("given", "case"), list(cases()))
async def test_case(given: Cases, case: Case, tmp_path: Path, capfd: Stdout) -> None:
    inline = tmp_path / "inline.yaml"
    inline.write_text(given.inline)
    sources = [str(CONFIG / name) for name in given.files] + [str(inline)]
    clock = Clock()
    metrics = f"127.0.0.1:{free_port()}"
    runtime = Runtime(
        load(),
        sources,
        Options(adapter_defaults={"prometheus": {"address": metrics}}),
        Metrics(),
        LOG,
        clock.monotonic,
        clock.unix_nanos,
    )
    await runtime.start()
    try:
        assert runtime.snapshot is not None
        assert runtime.snapshot.plan.problems == ()
        served = Served(runtime, clock, f"http://{metrics}/metrics", capfd)
        for step in case.steps:
            await served.run(step)
    finally:
        await runtime.close()


def test_every_file_says_where_its_schema_is() -> None:
    for file in CASES.glob("*.yaml"):
        assert file.read_text().startswith("# yaml-language-server: $schema=./schema.json\n"), file


def test_the_schema_of_cases_is_current() -> None:
    assert (CASES / "schema.json").read_text() == schema(), "say: make docs"


if __name__ == "__main__":
    print(schema(), end="")
