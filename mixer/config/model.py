"""
The configuration as the rest of the mixer sees it: typed, references resolved, order kept.

Law: what is in a `Model` has been checked as far as it can be without compiling expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from attributes import Duration, Vocabulary
from mixer.adapter.base import Adapter
from mixer.adapter.config import Config
from mixer.adapter.hosting import Hosting
from mixer.adapter.template import Instance as Template
from mixer.answers import HeaderVerb
from mixer.errors import Place
from mixer.lang import Lang


class OnError(Enum):
    """What a call is told when a rule can't do its work (design: semantics 2 and 3)."""

    SKIP = "skip"
    """As if the rule, or the handler, were not there."""

    DENY = "deny"
    """The precondition is denied, the denial is not cached."""

    FAIL = "fail"
    """The RPC fails with INTERNAL."""


class Mode(Enum):
    """Whether a rule's answers count."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    """The rule is tried and counted, and changes nothing."""

    OFF = "off"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What identifies a resource."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"

    @property
    def full_name(self) -> str:
        """``NAME.KIND.NAMESPACE``, Istio's canonical text."""
        return f"{self.name}.{self.kind}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class Text:
    """An expression as written, and where."""

    text: str
    place: Place = Place()
    """Of the first character of the text."""

    field: str = ""
    """Path in the resource, such as ``spec.match``."""

    inline: bool = True
    """True if the text stands on one line unescaped, so that an offset in it is a column."""

    literal: bool = False
    """True: it is no expression but the value, a STRING."""


Params: TypeAlias = Mapping[str, "Text | Params"]
"""
Expressions of an instance by template field (snake_case): a text for a leaf, a mapping for a map
field (by its literal keys), a list (by ``0``, ``1``...) or a nested struct (by its fields). Empty
leaves are left out.
"""


@dataclass(frozen=True, slots=True)
class Handler:
    """A configured adapter."""

    key: Key
    title: str
    """Name in logs, metrics and denials: ``NAME.NAMESPACE``, or ``NAME.KIND.NAMESPACE`` for the
    legacy kinds."""

    adapter: type[Adapter[Any]]
    params: Config
    place: Place
    hosting: Hosting = Hosting()
    """How it is called."""

    locate: Callable[[str], Place] = lambda _: Place()
    """The place of a field below params, given as in `FieldProblem`."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A configured template: what to compute from a bag."""

    key: Key
    template: type[Template]
    params: Params
    lang: Lang
    place: Place
    bindings: Mapping[str, Text]
    """For attribute generators: attribute name to expression over ``output.FIELD``; the ``$out.``
    of the source is already replaced. Texts keep their own language."""

    @property
    def name(self) -> str:
        """The full name that adapters see."""
        return self.key.full_name


@dataclass(frozen=True, slots=True)
class Action:
    """Instances sent to a handler."""

    handler: Handler
    instances: tuple[Instance, ...]
    name: str = ""
    """Prefix of output attributes, ``NAME.output.FIELD``."""


@dataclass(frozen=True, slots=True)
class HeaderOperation:
    """A change of a request's or response's headers."""

    name: str
    values: tuple[Text, ...]
    verb: HeaderVerb


@dataclass(frozen=True, slots=True)
class RandomSampling:
    """Takes a share of calls."""

    numerator: int
    denominator: int
    """100 or 10000."""

    attribute: Text | None = None
    """Expression whose INT64 or DOUBLE value replaces the numerator."""

    independent: bool = False
    """True: dice for each rule. False: by request id, alike for all rules and hops."""


@dataclass(frozen=True, slots=True)
class RateLimitSampling:
    """Takes all calls up to a number per window, then one in so many."""

    window: Duration
    unsampled: int
    rate: int


@dataclass(frozen=True, slots=True)
class Rule:
    """When to send what to which handlers."""

    key: Key
    match: Text
    """Empty means always."""

    actions: tuple[Action, ...]
    lang: Lang
    place: Place
    request_headers: tuple[HeaderOperation, ...] = ()
    response_headers: tuple[HeaderOperation, ...] = ()
    random: RandomSampling | None = None
    rate_limit: RateLimitSampling | None = None
    on_match_error: OnError = OnError.SKIP
    on_handler_error: OnError = OnError.FAIL
    on_missing_handler: OnError = OnError.SKIP
    """What a handler that could not be opened does to its actions: Istio's API skips them, ours
    takes it for a handler that fails."""

    mode: Mode = Mode.ENFORCE
    priority: int = 0
    """Rules of higher priority come first; equals keep configuration order."""


@dataclass(frozen=True, slots=True)
class Model:
    """Everything configured."""

    vocabulary: Vocabulary
    handlers: tuple[Handler, ...]
    """Those that at least one rule uses that is not off, each once, in order of first use."""

    instances: tuple[Instance, ...]
    """All valid ones, used or not, so that all of them are checked."""

    rules: tuple[Rule, ...]
    """In order of evaluation: priority, then files by name, then documents."""

    rejected: tuple[Rule, ...] = ()
    """Rules that are wrong in their own words; compiled only to find all that is wrong."""
