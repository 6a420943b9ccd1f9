"""One expression after another against one bag: what `mixs eval` says to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from attributes import Bag, Value, Vocabulary
from mixer.cli.attribute_values import bag_of
from mixer.cli.eval_jsonl import LANGS, referenced
from mixer.errors import ExpressionError
from mixer.expr.compile import Program, program
from mixer.expr.dialect import SPECIAL
from mixer.expr.explain import explain, shown
from mixer.expr.overloads import CEL_TABLE, CEXL_TABLE
from mixer.expr.reads import Failure
from mixer.lang import Lang

HELP = """\
An expression is evaluated. Besides:
  NAME=VALUE         sets an attribute; the value is YAML, such as 5, text or {k: v}
  :unset NAME        takes it out of the bag
  :bag               shows the bag
  :lang CEL|CEXL|COMPAT
  :explain on|off    shows the value of each part
  :source EXPRESSION shows the Python that it becomes
  :quit              or Ctrl-D"""


@dataclass
class Session:
    """The bag, the language and what is shown; only its methods change it."""

    vocabulary: Vocabulary
    values: dict[str, Value] = field(default_factory=dict)
    lang: Lang = Lang.CEL
    explains: bool = False

    def assign(self, text: str) -> None:
        """Set an attribute from ``name=value``. Raises ValueError."""
        name, equals, written = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ValueError(f"{text!r} is not of the form name=value")
        declared = self.vocabulary.get(name)
        is_text = declared is not None and declared.type.name not in (
            "STRING_MAP", "INT64", "DOUBLE", "BOOL",
        )  # fmt: skip
        try:
            given = written if is_text else yaml.safe_load(written)
        except yaml.YAMLError:
            given = written
        values, self.vocabulary = bag_of({name: given}, self.vocabulary)
        self.values |= values

    def evaluate(self, text: str) -> tuple[bool, str]:
        """Whether *text* has a value, and that value, or what is wrong, as text of some lines."""
        try:
            compiled = program(text, self.lang, self.vocabulary)
        except ExpressionError as error:
            hint = f"\n  {error.suggestion}" if error.suggestion else ""
            return False, f"{error.message}\n{error.pointing(text)}{hint}"
        bag = Bag(self.values)
        if self.explains:
            return self._explained(compiled, bag)
        value = compiled.run(bag)
        return not isinstance(value, Failure), shown(value, compiled.type)

    def _explained(self, compiled: Program, bag: Bag) -> tuple[bool, str]:
        value, parts = explain(compiled, bag)
        rows = [("  " * part.depth + part.text, part.outcome) for part in parts]
        width = min(max((len(text) for text, _ in rows), default=0), 70)
        lines = [f"{text:<{width}}  {outcome}" for text, outcome in rows]
        lines += ["", f"type        {compiled.type}"]
        lines += ["referenced  " + _reference(*reference) for reference in referenced(bag)]
        return not isinstance(value, Failure), "\n".join(lines)

    def say(self, line: str) -> str | None:
        """What the REPL prints for *line*, None where it should end."""
        line = line.strip()
        command, _, rest = line.partition(" ")
        match command:
            case "":
                return ""
            case ":quit" | ":q" | "exit" | "quit":
                return None
            case ":help":
                return HELP
            case ":bag":
                return "\n".join(self._bag()) or "the bag is empty"
            case ":unset":
                self.values.pop(rest.strip(), None)
                return ""
            case ":lang":
                return self._choose(rest.strip())
            case ":explain":
                self.explains = rest.strip() != "off"
                return ""
            case ":source":
                return self._source(rest)
            case _ if command.startswith(":"):
                return f"unknown command {command}; :help lists them"
        if _is_assignment(line):
            try:
                self.assign(line)
            except ValueError as error:
                return str(error)
            return ""
        return self.evaluate(line)[1]

    def _bag(self) -> Iterator[str]:
        for name in sorted(self.values):
            compiled = program(name, Lang.CEXL, self.vocabulary)
            yield f"{name} = {shown(compiled.run(Bag(self.values)), compiled.type)}"

    def _choose(self, name: str) -> str:
        if name not in LANGS:
            return f"the languages are {', '.join(LANGS)}"
        self.lang = LANGS[name]
        return ""

    def _source(self, text: str) -> str:
        try:
            return program(text, self.lang, self.vocabulary).source or "it is too deep for Python"
        except ExpressionError as error:
            return f"{error.message}\n{error.pointing(text)}"

    def words(self) -> list[str]:
        """All that may be completed."""
        table = CEXL_TABLE if self.lang is Lang.CEXL else CEL_TABLE
        names = [name for name in (*table, *SPECIAL) if name[0].isalpha()]
        commands = [":bag", ":explain ", ":help", ":lang ", ":quit", ":source ", ":unset "]
        return sorted({*self.vocabulary, *names}) + commands


def _is_assignment(line: str) -> bool:
    name, equals, rest = line.partition("=")
    return (
        bool(equals) and not rest.startswith("=") and name.strip().replace(".", "_").isidentifier()
    )


def _reference(name: str | None, key: str | None, how: str | None) -> str:
    return f"{name}{'' if key is None else f'[{key!r}]'} {how}"
