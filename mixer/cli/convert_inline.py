"""Istio's handlers and instances, moved into the meshmixer.io/v1 rule that uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from mixer.adapter.template import Variety
from mixer.cli.convert_yaml import Document, YamlText, get, text_at
from mixer.config.build import LANG
from mixer.config.load import OURS
from mixer.config.model import Action, Key, Model, Rule

_CHECKS = frozenset({Variety.CHECK, Variety.CHECK_WITH_OUTPUT})


@dataclass(frozen=True)
class _Place:
    """A document and the file it is of."""

    file: YamlText
    document: Document


def inline(
    texts: Mapping[str, str], model: Model, adapters: frozenset[str], notes: list[str]
) -> dict[str, str]:
    """All *texts*, whose expressions are CEL already, as meshmixer.io/v1."""
    files = {name: YamlText(text) for name, text in texts.items()}
    mover = _Mover(files, model, adapters, notes)
    mover.move()
    return {name: _without_empty(file.edited()) for name, file in files.items()}


class _Mover:
    """Rewrites all documents once."""

    def __init__(
        self,
        files: Mapping[str, YamlText],
        model: Model,
        adapters: frozenset[str],
        notes: list[str],
    ) -> None:
        self._model = model
        self._adapters = adapters
        self._notes = notes
        self._places = {
            key: _Place(file, document)
            for file in files.values()
            for document in file.documents()
            if (key := _key(document.root)) is not None
        }
        uses: Counter[Key] = Counter()
        for rule in model.rules:
            for action in rule.actions:
                uses[action.handler.key] += 1
                uses.update(instance.key for instance in action.instances)
        self._uses = uses
        self._moved: set[Key] = set()

    def move(self) -> None:
        for rule in self._model.rules:
            place = self._places.get(rule.key)
            if place and not _is_ours(place.document):
                self._rule(rule, place)
        for key, place in self._places.items():
            if key in self._moved:
                place.file.replace(place.document.start, place.document.end, "")
            elif not _is_ours(place.document) and key.kind != "rule":
                self._resource(key, place)

    # -- rules

    def _rule(self, rule: Rule, place: _Place) -> None:
        root, file = place.document.root, place.file
        _say_ours(file, root)
        spec = get(root, "spec")
        actions = get(spec, "actions")
        if not isinstance(spec, yaml.MappingNode) or spec.flow_style:
            self._note(place, "a rule on one line keeps its handlers and instances outside")
            return
        self._on_error(rule, place, spec)
        if isinstance(actions, yaml.SequenceNode) and not actions.flow_style:
            for node, action in zip(actions.value, rule.actions, strict=True):
                if isinstance(node, yaml.MappingNode) and not node.flow_style:
                    self._action(rule, place, node, action)

    def _on_error(self, rule: Rule, place: _Place, spec: yaml.MappingNode) -> None:
        """Istio's defaults: a failing match skips the rule, a failing handler fails the call."""
        checks = any(
            instance.template.variety in _CHECKS
            for action in rule.actions
            for instance in action.instances
        )
        first = spec.value[0][0]
        at = place.file.span(first)[0]
        indent = " " * first.start_mark.column
        word = "fail" if checks else "skip"
        if checks:
            note = "onError is for both now: a match that fails used to skip the rule"
            self._note(place, note, at)
        place.file.replace(at, at, f"onError: {word}\n{indent}")

    def _action(self, rule: Rule, place: _Place, node: yaml.MappingNode, action: Action) -> None:
        handler = get(node, "handler")
        indent = node.start_mark.column
        if handler is not None and self._moves(action.handler.key):
            found = self._handler_lines(action.handler.key)
            if found is not None:
                lines, comments = found
                start, end = place.file.span(handler)
                self._put(place, handler, start, end, lines, indent + 2)
                self._moved.add(action.handler.key)
                name = f"{rule.key.name}.{rule.key.namespace}"
                note = f"the handler {action.handler.key.name} is called {name} now"
                self._note(place, note, self._line_of(place, handler), comments)
        instances = get(node, "instances")
        if isinstance(instances, yaml.SequenceNode):
            self._instances(place, instances, action, indent)

    def _instances(
        self, place: _Place, node: yaml.SequenceNode, action: Action, indent: int
    ) -> None:
        if not any(self._moves(instance.key) for instance in action.instances):
            return
        rows: list[str] = []
        for item, instance in zip(node.value, action.instances, strict=True):
            found = self._instance_lines(instance.key) if self._moves(instance.key) else None
            if found is None:
                rows.append(f"- {item.value}")
                continue
            lines, comments = found
            rows += [*comments, *[f"- {lines[0]}", *[f"  {line}".rstrip() for line in lines[1:]]]]
            self._moved.add(instance.key)
        start, end = place.file.span(node)
        end = start + len(place.file.text[start:end].rstrip())
        self._put(place, node, start, end, rows, indent)

    def _put(
        self, place: _Place, node: yaml.Node, start: int, end: int, lines: list[str], indent: int
    ) -> None:
        """Put a block in the place of a value that is on the line of its key, or below it."""
        text = place.file.text
        start = len(text[:start].rstrip(" \n"))
        block = "".join(f"\n{' ' * indent}{line}".rstrip(" ") for line in lines)
        place.file.replace(start, end, block)

    def _line_of(self, place: _Place, node: yaml.Node) -> int:
        start = place.file.span(node)[0]
        return place.file.text.rfind("\n", 0, start) + 1

    def _moves(self, key: Key) -> bool:
        """Whether only one action uses it, and it is of Istio's API."""
        place = self._places.get(key)
        return self._uses[key] == 1 and place is not None and not _is_ours(place.document)

    # -- what moves

    def _handler_lines(self, key: Key) -> tuple[list[str], list[str]] | None:
        place = self._places[key]
        root, file = place.document.root, place.file
        spec = get(root, "spec")
        if key.kind == "handler":
            name = text_at(root, "spec", "compiledAdapter") or text_at(root, "spec", "adapter")
            return self._lines(place, f"adapter: {name}", get(spec, "params"))
        return self._lines(place, f"adapter: {key.kind}", spec) if file else None

    def _instance_lines(self, key: Key) -> tuple[list[str], list[str]] | None:
        place = self._places[key]
        root = place.document.root
        spec = get(root, "spec")
        head = f"name: {key.name}"
        if key.kind != "instance":
            found = self._lines(place, f"template: {key.kind}", spec)
        else:
            name = text_at(root, "spec", "compiledTemplate") or text_at(root, "spec", "template")
            found = self._lines(place, f"template: {name}", get(spec, "params"))
            bindings = get(spec, "attributeBindings") or get(spec, "attribute_bindings")
            if found and bindings is not None:
                found[0].extend(_value(place.file, "attributeBindings", bindings))
        return None if found is None else ([head, *found[0]], found[1])

    def _lines(
        self, place: _Place, head: str, params: yaml.Node | None
    ) -> tuple[list[str], list[str]]:
        """The words of an inline handler or instance, and the comments above its document."""
        lines = [head, *(_value(place.file, "params", params) if params is not None else [])]
        start = place.document.start
        before = place.file.text[start : place.file.span(place.document.root)[0]]
        comments = [line for line in before.split("\n") if line.startswith("#")]
        return lines, [line for line in comments if "yaml-language-server" not in line]

    # -- what stays

    def _resource(self, key: Key, place: _Place) -> None:
        root, file = place.document.root, place.file
        uses = self._uses[key]
        if key.kind in ("handler", "instance", "attributemanifest"):
            _say_ours(file, root)
        else:
            kind = "handler" if key.kind in self._adapters else "instance"
            word = "adapter" if kind == "handler" else "template"
            kind_node, spec = get(root, "kind"), get(root, "spec")
            if not isinstance(kind_node, yaml.ScalarNode):
                return
            _say_ours(file, root)
            file.set(kind_node, kind, flow=False)
            params = [] if spec is None else _value(file, "params", spec)
            if spec is not None:
                start, end = file.span(spec)
                block = [f"{word}: {key.kind}", *params]
                start = len(file.text[:start].rstrip(" \n"))
                end = start + len(file.text[start:end].rstrip())
                file.replace(start, end, "".join(f"\n  {line}".rstrip(" ") for line in block))
        if uses > 1 and key.kind != "attributemanifest":
            self._note(place, f"{key.name} is used {uses} times and stays one, with one state")

    def _note(
        self, place: _Place, text: str, at: int | None = None, comments: list[str] | None = None
    ) -> None:
        where = place.file.span(place.document.root)[0] if at is None else at
        for comment in comments or ():
            start = place.file.text.rfind("\n", 0, where) + 1
            row = place.file.text[start:]
            indent = len(row) - len(row.lstrip(" "))
            place.file.replace(start, start, f"{' ' * indent}{comment}\n")
        place.file.comment(where, text)
        self._notes.append(f"{text_at(place.document.root, 'metadata', 'name')}: {text}")


def _key(root: yaml.MappingNode) -> Key | None:
    found = Key(
        text_at(root, "kind"),
        text_at(root, "metadata", "namespace"),
        text_at(root, "metadata", "name"),
    )
    return found if found.kind and found.name else None


def _is_ours(document: Document) -> bool:
    return text_at(document.root, "apiVersion") == OURS


def _say_ours(file: YamlText, root: yaml.MappingNode) -> None:
    version = get(root, "apiVersion")
    if isinstance(version, yaml.ScalarNode):
        file.set(version, OURS, flow=False)
    said = get(root, "metadata", "annotations", LANG)
    if isinstance(said, yaml.ScalarNode):
        file.set(said, "CEL", file.in_flow(said))


def _value(file: YamlText, name: str, node: yaml.Node) -> list[str]:
    """``name: value`` as lines, the value's own lines with their comments."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
        start, end = file.span(node)
        first, *rest = file.text[start:end].rstrip().split("\n")
        return [f"{name}: {first}", *[f"  {line.strip()}" for line in rest]]
    return [f"{name}:", *[f"  {line}".rstrip() for line in file.lines_of(node)]]


def _without_empty(text: str) -> str:
    """*text* without documents of which nothing is left."""
    parts = [part for part in _documents(text) if part.strip()]
    if not parts:
        return ""
    return "---\n".join([part.lstrip("\n") for part in parts])


def _documents(text: str) -> list[str]:
    found: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.rstrip() == "---":
            found.append([])
        else:
            found[-1].append(line)
    return ["".join(lines) for lines in found]
