"""A catalogue with one adapter that has a param of every kind, and short ways to the model."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import msgspec
import pytest

from attributes import Duration
from mixer.adapter import (
    Adapter,
    CheckNothing,
    Checks,
    Config,
    Generates,
    Grant,
    Kubernetes,
    KubernetesOutput,
    ListEntry,
    LogEntry,
    Meta,
    Metric,
    Positive,
    Quota,
    QuotaArgs,
    Reports,
    Verdict,
)
from mixer.adapter.base import Allocates
from mixer.adapter.catalogue import Catalogue
from mixer.config.build import build
from mixer.config.load import parse_text
from mixer.config.model import Model
from mixer.errors import Problem


class Colour(IntEnum):
    RED = 0
    GREEN = 1


class Part(Config, frozen=True):
    """A nested message."""

    name: str = "nobody"
    """What it is called."""

    max_amount: Positive = 5
    """How many there may be."""


class ProbeConfig(Config, frozen=True):
    """One param of every kind."""

    text: str = "default"
    """Some text."""

    count: int = 7
    """
    A number
    of things.
    """

    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """A share."""

    enabled: bool = False
    valid_duration: Annotated[Duration, Meta(gt=0)] = Duration.of(60)
    """How long."""

    colour: Colour = Colour.RED
    part: Part = Part(name="default part", max_amount=9)
    maybe: Part | None = None
    parts: tuple[Part, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=lambda: {"default": "yes"})
    limits: dict[str, Part] = {}
    type_url: str = msgspec.field(default="", name="@type")


class Probe(
    Adapter[ProbeConfig],
    Checks[ListEntry | CheckNothing],
    Allocates[Quota],
    Reports[Metric | LogEntry],
    Generates[Kubernetes, KubernetesOutput],
    name="probe",
):
    """Takes almost everything."""

    def check(self, instance: ListEntry | CheckNothing, /) -> Verdict:
        return Verdict()

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        return Grant(args.amount)

    def report(self, batch: Any, /) -> None: ...

    def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        return KubernetesOutput()


@pytest.fixture
def config_type() -> type[ProbeConfig]:
    return ProbeConfig


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.of([Probe])


Built = Callable[..., tuple[Model, list[Problem]]]


@pytest.fixture
def built(catalogue: Catalogue) -> Built:
    """Build the model of YAML text."""

    def build_text(text: str, **options: Any) -> tuple[Model, list[Problem]]:
        return build(parse_text(dedent(text), "test.yaml"), catalogue, **options)

    return build_text


@pytest.fixture
def istio_config() -> Path:
    return Path(__file__).parents[3] / "shared" / "istio-config"
