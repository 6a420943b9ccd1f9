"""Configured rules to compiled ones: conditions, samplers, header operations, builders."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic

from attributes import Bag, ValueType, Vocabulary
from mixer.adapter.template import Shape, Variety
from mixer.config.model import (
    Action,
    HeaderOperation,
    Key,
    Mode,
    Model,
    RandomSampling,
    Rule,
    Text,
)
from mixer.errors import Problem, Severity
from mixer.expr.compile import Program
from mixer.expr.tree import Apply, Constant, Tree, walk
from mixer.instances.compile import Builder, builder, compile_text, output_types
from mixer.rules.routes import HeaderPlan
from mixer.rules.sampling import Throttle, random_share


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule whose handlers are still to be opened."""

    rule: Rule
    match: Program | None
    samplers: tuple[Callable[[Bag], bool], ...]
    actions: tuple[tuple[Action, tuple[Builder, ...]], ...]
    request_headers: tuple[HeaderPlan, ...]
    response_headers: tuple[HeaderPlan, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """All rules that compile, and what their handlers will receive."""

    rules: tuple[CompiledRule, ...]
    shapes: Mapping[Key, tuple[Shape, ...]]
    """By handler, in order of instance name."""

    problems: tuple[Problem, ...]


def compile_rules(
    model: Model,
    clock: Callable[[], float] = monotonic,
    dice: Callable[[], float] = random.random,
) -> Compiled:
    """Compile every instance and rule of *model*; what does not compile is left out and named."""
    problems: list[Problem] = []
    builders: dict[Key, Builder] = {}
    for instance in model.instances:
        built, found = builder(instance, model.vocabulary)
        problems += found
        if built is not None:
            builders[instance.key] = built
    rules = []
    rejected = {rule.key for rule in model.rejected}
    for rule in (*model.rules, *model.rejected):
        compiler = _Compiler(rule, model.vocabulary, builders, clock, dice)
        compiled = compiler.compile()
        problems += compiler.problems + compiler.warnings
        if compiled and rule.mode is not Mode.OFF and rule.key not in rejected:
            rules.append(compiled)
    return Compiled(tuple(rules), _shapes(rules), tuple(problems))


def _shapes(rules: list[CompiledRule]) -> dict[Key, tuple[Shape, ...]]:
    found: dict[Key, dict[str, Shape]] = {}
    for rule in rules:
        for action, builders in rule.actions:
            shapes = found.setdefault(action.handler.key, {})
            shapes |= {built.shape.name: built.shape for built in builders}
    return {key: tuple(shapes[name] for name in sorted(shapes)) for key, shapes in found.items()}


class _Compiler:
    """Compiles one rule."""

    def __init__(
        self,
        rule: Rule,
        vocabulary: Vocabulary,
        builders: Mapping[Key, Builder],
        clock: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        self.rule = rule
        self.vocabulary = vocabulary
        self.builders = builders
        self.clock = clock
        self.dice = dice
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def compile(self) -> CompiledRule | None:
        """The rule, or None where its condition is wrong or nothing of it is left to do."""
        rule = self.rule
        match, samplers = self._match(), self._samplers()
        if self.problems:
            return None
        headers = self._headers(rule.request_headers), self._headers(rule.response_headers)
        if self.problems:  # the actions of the rule stay (spec: config, header operations)
            headers = (), ()
        actions = tuple(
            (action, built) for action in rule.actions if (built := tuple(self._built(action)))
        )
        if not (actions or any(headers)):
            return None
        return CompiledRule(rule, match, samplers, actions, *headers)

    def _built(self, action: Action) -> Iterator[Builder]:
        for instance in action.instances:
            if built := self.builders.get(instance.key):
                yield built

    def _match(self) -> Program | None:
        text = self.rule.match.text.strip()
        if text in ("", "true"):
            return None
        program = self._program(self.rule.match, self.vocabulary, ValueType.BOOL)
        if program is None:
            return None
        self._warn_of_stars(program)
        return program

    def _warn_of_stars(self, program: Program) -> None:
        """``match(s, "*x*")`` is a prefix match on the text ``*x``, which nobody means."""
        text = self.rule.match
        self.warnings += [
            Problem(
                f"match() with {pattern!r} tests for the prefix {pattern[:-1]!r}",
                text.place,
                str(self.rule.key),
                text.field,
                "use a regular expression with matches() to look for a part of the text",
                Severity.WARNING,
            )
            for pattern in _match_patterns(program.tree)
            if len(pattern) > 2 and pattern.startswith("*") and pattern.endswith("*")
        ]

    def _samplers(self) -> tuple[Callable[[Bag], bool], ...]:
        found: list[Callable[[Bag], bool]] = []
        if share := self.rule.random:
            numerator = self._numerator(share)
            found.append(random_share(share.denominator, numerator, share.independent, self.dice))
        if limits := self.rule.rate_limit:
            found.append(Throttle(limits, self.clock).takes)
        return tuple(found)

    def _numerator(self, share: RandomSampling) -> Callable[[Bag], object]:
        if share.attribute is None:
            return lambda bag: share.numerator
        program = self._program(share.attribute, self.vocabulary, None)
        return program.run if program else lambda bag: 0

    def _headers(self, operations: tuple[HeaderOperation, ...]) -> tuple[HeaderPlan, ...]:
        vocabulary = self.vocabulary.extended(outputs(self.rule))
        plans = []
        for operation in operations:
            programs = [
                self._program(text, vocabulary, ValueType.STRING) for text in operation.values
            ]
            values = tuple(program.run for program in programs if program is not None)
            plans.append(HeaderPlan(operation.name, operation.verb, values))
        return tuple(plans)

    def _program(
        self, text: Text, vocabulary: Vocabulary, expected: ValueType | None
    ) -> Program | None:
        found = compile_text(text, self.rule.lang, vocabulary, expected, str(self.rule.key))
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        return found


def outputs(rule: Rule) -> dict[str, ValueType]:
    """What named actions give to header operations; the first instance's template counts."""
    found: dict[str, ValueType] = {}
    for action in rule.actions:
        template = action.instances[0].template
        if action.name and template.variety is Variety.CHECK_WITH_OUTPUT and template.output:
            found = {**output_types(template.output, f"{action.name}.output."), **found}
    return found


def _match_patterns(tree: Tree) -> Iterator[str]:
    for part in walk(tree):
        if isinstance(part, Apply) and part.overload.function == "match":
            pattern = part.args[1]
            if isinstance(pattern, Constant):
                yield pattern.value
