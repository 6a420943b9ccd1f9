"""What each kind of resource may say: the fields of their specs, read by `convert`."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from attributes import Duration, ValueType
from mixer.adapter.config import Config, Meta, NonNegative, Positive
from mixer.adapter.hosting import Hosting
from mixer.answers import HeaderVerb
from mixer.config.leaves import Raw
from mixer.config.model import Mode, OnError, Text
from mixer.remote.connection import Connection

EMPTY = Text("")
Percentage = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]


class AttributeInfo(Config, frozen=True):
    """One attribute of a manifest."""

    value_type: ValueType
    """Type of its values."""

    description: str = ""
    """What it means."""


class AttributeManifest(Config, frozen=True):
    """Declares the attributes that calls may carry."""

    attributes: dict[str, AttributeInfo] = {}
    """Attributes by name."""

    revision: str = ""
    """Revision of the manifest, for the reader."""

    name: str = ""
    """Ignored; the name in metadata counts."""


class Template(Config, frozen=True):
    """A template of adapters in other processes."""

    descriptor: str
    """The FileDescriptorSet of its handler service, in base64."""

    name: str = ""
    """Ignored; the name in metadata counts."""

    description: str = ""
    """What it is for, for the reader."""


class Adapter(Config, frozen=True):
    """An adapter in another process."""

    templates: tuple[str, ...] = ()
    """Names of the templates whose instances it takes."""

    config: str = ""
    """A FileDescriptorSet, in base64, with a message ``Params``; empty where it has no params."""

    session_based: bool = False
    """True: it is told the params once, when a session begins, and not with each call."""

    name: str = ""
    """Ignored; the name in metadata counts."""

    description: str = ""
    """What it is for, for the reader."""


class Handler(Hosting, frozen=True):
    """A configured adapter."""

    adapter: str = ""
    """Name of a built-in or installed adapter, or of a declared one in another process."""

    compiled_adapter: str = ""
    """The same, as Istio calls it."""

    params: Raw | None = None
    """What the adapter lets one configure."""

    connection: Connection | None = None
    """Where an adapter of another process listens."""

    def hosting(self) -> Hosting:
        """What is said of how the adapter is called."""
        return Hosting(**{name: getattr(self, name) for name in Hosting.__struct_fields__})


class IstioHandler(Handler, frozen=True):
    """A configured adapter, in Istio's words."""

    name: str = ""
    """Ignored; the name in metadata counts."""


class Instance(Config, frozen=True):
    """What to compute from a call's attributes for a handler."""

    name: str = ""
    """Name of an inline instance, by default the rule's. Elsewhere metadata's name counts."""

    template: str = ""
    """Name of a built-in or installed template, or of a declared one of other processes."""

    compiled_template: str = ""
    """The same, as Istio calls it."""

    params: Raw | None = None
    """The template's fields, each an expression."""

    attribute_bindings: Raw | None = None
    """For attribute generators: expressions over ``$out.FIELD`` by the attribute they set."""

    strict: bool = False
    """True: the expressions are CEL of the standard alone, without ``a | b``."""


class Action(Config, frozen=True):
    """Instances sent to a handler."""

    handler: Raw
    """Name of a handler; in meshmixer.io/v1 also the handler itself."""

    instances: tuple[Raw, ...] = ()
    """Names of instances; in meshmixer.io/v1 also instances themselves."""

    name: str = ""
    """By which header operations refer to the output: ``NAME.output.FIELD``."""


class HeaderOperation(Config, frozen=True):
    """Changes a header of the request or response."""

    name: Annotated[str, Meta(min_length=1)]
    """Name of the header."""

    values: tuple[Text, ...] = ()
    """Expressions of type STRING."""

    operation: HeaderVerb = HeaderVerb.REPLACE
    """What to do with the header."""


class Denominator(IntEnum):
    """What a percentage is a part of."""

    HUNDRED = 0
    TEN_THOUSAND = 1


class FractionalPercent(Config, frozen=True):
    """A share of calls."""

    numerator: Percentage = 0
    """How many of the denominator."""

    denominator: Denominator = Denominator.HUNDRED
    """Hundredths or ten-thousandths."""


class RandomSampling(Config, frozen=True):
    """Takes a share of calls, chosen by chance."""

    attribute_expression: Text = EMPTY
    """Expression of type INT64 or DOUBLE whose value replaces the numerator."""

    percent_sampled: FractionalPercent = FractionalPercent()
    """The share."""

    use_independent_randomness: bool = False
    """True: chance for each rule. False: by request id, alike for all rules and hops."""


class RateLimitSampling(Config, frozen=True):
    """Takes all calls up to a number per window, then one in so many."""

    sampling_duration: Annotated[Duration, Meta(gt=0)]
    """Length of the window."""

    sampling_rate: Positive
    """One call in so many is taken once the window has had its number."""

    max_unsampled_entries: NonNegative = 0
    """How many calls of a window are taken before sampling begins."""


class Sampling(Config, frozen=True):
    """Which calls the rule is applied to."""

    random: RandomSampling | None = None
    """By chance."""

    rate_limit: RateLimitSampling | None = None
    """By number."""


class IstioRule(Config, frozen=True):
    """When to send what to which handlers."""

    match: Text = EMPTY
    """Expression of type BOOL; empty means always."""

    actions: tuple[Action, ...] = ()
    """What to do."""

    request_header_operations: tuple[HeaderOperation, ...] = ()
    """Changes of the request's headers if the call is allowed."""

    response_header_operations: tuple[HeaderOperation, ...] = ()
    """Changes of the response's headers if the call is allowed."""

    sampling: Sampling = Sampling()
    """Restricts the rule to a sample of calls."""


class Rule(IstioRule, frozen=True):
    """When to send what to which handlers, with all words of meshmixer.io/v1."""

    on_error: OnError | None = None
    """What a call is told when the match or a handler fails. Default: deny for rules with
    checks, skip for others."""

    mode: Mode = Mode.ENFORCE
    """Whether the rule's answers count."""

    priority: int = 0
    """Rules of higher priority come first."""

    strict: bool = False
    """True: the expressions, those of inline instances too, are CEL of the standard alone, without
    ``a | b``."""
