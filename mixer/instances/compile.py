"""Configured instances to builders: an expression for each field, one function for the whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from attributes import Bag, Value, ValueType, Vocabulary
from mixer.adapter.template import FIXED, Output, Shape
from mixer.adapter.template import Instance as Template
from mixer.config.model import Instance, Params, Text
from mixer.errors import EvaluationError, ExpressionError, Place, Problem
from mixer.expr.compile import Failure, Program, constant, expression
from mixer.lang import Lang

Read: TypeAlias = Callable[[Bag], Any]

_NAMING = (ValueType.STRING, ValueType.INT64)
"""What may tell a member of an enum."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field with an expression."""

    program: Program
    where: str
    """What is said before the reason where it has no value for a call."""


@dataclass(frozen=True, slots=True)
class Struct:
    """An instance, or one nested in a field of it."""

    type: type[Template]
    name: str
    fields: tuple[tuple[str, Part], ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A field with literal keys, or a list, whose keys are 0, 1..."""

    items: tuple[tuple[str, Part], ...]
    listed: bool = False


Part: TypeAlias = Leaf | Struct | Entries


@dataclass(frozen=True, slots=True)
class Builder:
    """A compiled instance."""

    instance: Instance
    shape: Shape
    parts: Struct
    build: Callable[[Bag], Template]
    """Raises EvaluationError, which names the field, where one has no value for this call."""

    bind: Callable[[Bag, Output], dict[str, Value]]
    """For attribute generators: the attributes that an output gives. Raises EvaluationError."""


def builder(instance: Instance, vocabulary: Vocabulary) -> tuple[Builder | None, list[Problem]]:
    """Compile *instance*; None where it has problems."""
    compiler = _Compiler(instance, vocabulary)
    parts = compiler.struct(instance.template, instance.params, "", "")
    bind = compiler.bindings()
    if compiler.problems:
        return None, compiler.problems
    shape = Shape(instance.name, instance.template, compiler.types)
    return Builder(instance, shape, parts, _reader(parts), bind), []


def compile_text(
    text: Text,
    lang: Lang,
    vocabulary: Vocabulary,
    expected: ValueType | None,
    resource: str,
) -> Program | Problem:
    """Compile one expression of the configuration, or say where in its file it is wrong."""
    try:
        if text.literal:
            return constant(text.text)
        return expression(text.text, lang, vocabulary, expected)
    except ExpressionError as error:
        column = text.place.column + error.offset if text.inline else text.place.column
        place = Place(text.place.file, text.place.line, column)
        return Problem(
            error.message,
            place,
            resource,
            text.field,
            error.suggestion,
            excerpt=error.pointing(text.text),
        )


class _Compiler:
    """Collects the programs, types and problems of one instance."""

    def __init__(self, instance: Instance, vocabulary: Vocabulary) -> None:
        self.instance = instance
        self.vocabulary = vocabulary
        self.types: dict[str, ValueType] = {}
        self.problems: list[Problem] = []

    def struct(self, type_: type[Template], params: Params, path: str, where: str) -> Struct:
        """The parts of one struct; *where* is its place in evaluation errors."""
        annotations = field_types(type_)
        fields: list[tuple[str, Part]] = []
        for name, given in params.items():
            inner = f"{path}.{name}" if path else name
            shown = f"{where}.{_camel(name)}" if where else _camel(name)
            if part := self._field(annotations[name], given, inner, shown):
                fields.append((name, part))
        return Struct(type_, "" if path else self.instance.name, tuple(fields))

    def _field(self, annotation: Any, given: Text | Params, path: str, where: str) -> Part | None:
        if isinstance(given, Text):
            if isinstance(annotation, type) and issubclass(annotation, IntEnum):
                return self._leaf(given, None, path, where, of=_NAMING)
            return self._leaf(given, FIXED.get(annotation), path, where)
        if isinstance(annotation, type) and issubclass(annotation, Template):
            return self.struct(annotation, given, path, where)
        listed = get_origin(annotation) is tuple
        item = get_args(annotation)[0 if listed else 1]
        parts = (
            (key, self._field(item, text, f"{path}.{key}", f"{where}[{key}]"))
            for key, text in given.items()
        )
        found = tuple((key, part) for key, part in parts if part)
        return Entries(found, listed)

    def _leaf(
        self,
        text: Text,
        expected: ValueType | None,
        path: str,
        where: str,
        of: Collection[ValueType] = (),
    ) -> Leaf | None:
        program = self._compile(text, self.instance.lang, self.vocabulary, expected)
        if program is None:
            return None
        if of and program.value_type not in of:
            wanted = " or ".join(type_.name for type_ in of)
            reason = f"expected type {wanted}, got {program.value_type.name}"
            self.problems.append(Problem(reason, text.place, str(self.instance.key), text.field))
            return None
        self.types[path] = program.value_type
        return Leaf(program, f"evaluation failed at [{self.instance.name}]'{where}'")

    def _compile(
        self, text: Text, lang: Lang, vocabulary: Vocabulary, expected: ValueType | None
    ) -> Program | None:
        found = compile_text(text, lang, vocabulary, expected, str(self.instance.key))
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        return found

    def bindings(self) -> Callable[[Bag, Output], dict[str, Value]]:
        """A function that turns an output into attributes."""
        output = self.instance.template.output
        if output is None:
            return lambda bag, found: {}
        vocabulary = self.vocabulary.extended(output_types(output, "output."))
        readers: list[tuple[str, Read]] = []
        for attribute, text in self.instance.bindings.items():
            declared = self.vocabulary.get(attribute)
            if declared is None:
                self.problems.append(
                    Problem(
                        f"unknown attribute {attribute}",
                        text.place,
                        str(self.instance.key),
                        text.field,
                        "declare it in an attributemanifest",
                    )
                )
                continue
            program = self._compile(text, self.instance.lang, vocabulary, declared.type)
            if program is not None:
                what = (
                    f"evaluation failed at [{self.instance.name}]'AttributeBindings[{attribute}]'"
                )
                readers.append((attribute, _reader(Leaf(program, what))))

        def bind(bag: Bag, found: Output) -> dict[str, Value]:
            scoped = bag.overlaid(output_values(found, "output."))
            return {attribute: _short(read(scoped)) for attribute, read in readers}

        return bind


def output_types(output: type[Output], prefix: str) -> Mapping[str, ValueType]:
    """The attributes that fields of *output* become."""
    return {
        prefix + name: FIXED[_not_none(annotation)]
        for name, annotation in field_types(output).items()
    }


def output_values(found: Output, prefix: str) -> dict[str, Value]:
    """The fields of *found* that are set, as attributes."""
    return {
        prefix + field: value
        for field in found.__struct_fields__
        if (value := getattr(found, field)) is not None
    }


@cache
def field_types(type_: type[msgspec.Struct]) -> dict[str, Any]:
    """Annotations of a struct's own fields, resolved."""
    hints = get_type_hints(type_)
    return {name: hints[name] for name in type_.__struct_fields__ if name != "name"}


def _reader(part: Part) -> Read:
    """The plain way to build *part*: `mixer.rules.fuse` writes code that does the same."""
    match part:
        case Leaf(program, where):

            def read(bag: Bag) -> Any:
                value = program.run(bag)
                if value.__class__ is Failure:
                    raise EvaluationError(unbuilt(where, value))
                return value

            return read
        case Struct(type_, name, given):
            fields = tuple((field, _reader(inner)) for field, inner in given)
            return lambda bag: type_(name=name, **{field: value(bag) for field, value in fields})
        case Entries(items, listed):
            entries = tuple((key, _reader(inner)) for key, inner in items)
            if listed:
                return lambda bag: tuple(value(bag) for _, value in entries)
            return lambda bag: {key: value(bag) for key, value in entries}


def unbuilt(where: str, failure: Failure) -> str:
    """Why an instance could not be built."""
    return f"{where}: '{failure.message}'"


def _short(value: Value) -> Value:
    """IPv4 addresses in their short form; anything else as it is."""
    mapped = isinstance(value, bytes) and value[:12] == b"\0" * 10 + b"\xff\xff"
    return value[12:] if isinstance(value, bytes) and mapped else value


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _not_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, type(int | None)):
        return next(arm for arm in get_args(annotation) if arm is not type(None))
    return annotation
