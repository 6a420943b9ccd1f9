"""mixs convert: YAML in Istio's expression syntax, rewritten with CEL."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from attributes import Vocabulary
from mixer.cli import flags
from mixer.cli.convert_inline import inline
from mixer.cli.convert_yaml import YamlText, get, text_at
from mixer.config.build import LANG
from mixer.config.load import OURS
from mixer.config.model import Instance, Key, Model, Params, Rule, Text
from mixer.errors import Severity, StartError
from mixer.expr.convert import convert
from mixer.instances.compile import output_types
from mixer.lang import Lang
from mixer.rules.compile import outputs

FLAGS = (
    flags.Flag("output", "", "folder for the files; without one they are printed"),
    flags.Flag(
        "configDefaultNamespace", "istio-system", "namespace whose rules apply to all calls"
    ),
)


@dataclass
class Report:
    """What was done, for the operator."""

    converted: int = 0
    notes: list[str] = field(default_factory=list)


def add_parser(commands: Any) -> None:
    """Let mixs know the command."""
    parser = commands.add_parser("convert", help="rewrite Istio's expression syntax as CEL")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="directories or files")
    flags.add(parser, FLAGS)
    parser.add_argument(
        "--inline",
        action="store_true",
        help="write meshmixer.io/v1, with handlers and instances in the rule that uses them",
    )
    parser.add_argument("--force", action="store_true", help="replace files of the output folder")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.adapter import catalogue
    from mixer.cli import mixs_server
    from mixer.config import build, load

    installed = catalogue.load()
    documents = load.read(arguments.paths, arguments.configDefaultNamespace)
    model, problems = build.build(documents, installed, lang_override=mixs_server.lang(environment))
    problems += _compile_problems(model)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    for problem in errors:
        print(problem, file=sys.stderr)
    if errors:
        print("mixs: what has errors is not converted", file=sys.stderr)
        return 1
    report = Report()
    files = {name: _read(name) for name in sorted({one.file for one in documents.resources})}
    texts = converted(files, model, report)
    if arguments.inline:
        texts = inline(texts, model, frozenset(installed.adapters), report.notes)
    else:
        texts = {name: _annotated(text, _changed(model)) for name, text in texts.items()}
    _write(texts, arguments)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(
        f"mixs: {report.converted} expressions converted, {len(report.notes)} notes",
        file=sys.stderr,
    )
    return 0


def _compile_problems(model: Model) -> list[Any]:
    from mixer.rules.compile import compile_rules

    return list(compile_rules(model).problems)


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StartError(f"can't read {name}: {error.strerror}") from None


def _write(texts: Mapping[str, str], arguments: argparse.Namespace) -> None:
    if not arguments.output:
        for number, text in enumerate(text for text in texts.values() if text.strip()):
            print("---\n" * (number > 0 and not text.startswith("---")) + text.rstrip("\n"))
        return
    folder = Path(arguments.output)
    if clash := [name for name, count in Counter(Path(one).name for one in texts).items()
                 if count > 1]:  # fmt: skip
        raise StartError(f"two files are named {clash[0]}; convert one folder at a time")
    targets = {folder / Path(name).name: text for name, text in texts.items() if text.strip()}
    if there := [path for path in targets if path.exists() and not arguments.force]:
        raise StartError(f"{there[0]} is there already; say --force to replace it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in targets.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StartError(f"can't write {error.filename}: {error.strerror}") from None


# -- expressions


def converted(files: Mapping[str, str], model: Model, report: Report) -> dict[str, str]:
    """All *files* with the expressions of *model* that are in Istio's syntax as CEL."""
    texts = {name: YamlText(text) for name, text in files.items()}
    done: set[tuple[str, int, int]] = set()
    for text, lang, vocabulary, condition in _expressions(model):
        place = (text.place.file, text.place.line, text.place.column)
        if lang not in (Lang.CEXL, Lang.COMPAT) or not text.text.strip() or place in done:
            continue
        done.add(place)
        found = convert(text.text, lang, vocabulary, condition)
        report.converted += 1
        file = texts[text.place.file]
        node = file.scalar_at(text.place.line, text.place.column)
        if found.text != text.text.strip():
            file.set(node, found.text, file.in_flow(node))
        for note in found.notes:
            file.comment(file.span(node)[0], note)
            report.notes.append(f"{text.place}: {note}")
    return {name: text.edited() for name, text in texts.items()}


Expression = tuple[Text, Lang, Vocabulary, bool]


def _expressions(model: Model) -> Iterator[Expression]:
    """Every expression with its language, its names, and whether it is a condition."""
    for rule in model.rules:
        yield rule.match, rule.lang, model.vocabulary, True
        wider = model.vocabulary.extended(outputs(rule))
        for operation in (*rule.request_headers, *rule.response_headers):
            for text in operation.values:
                yield text, rule.lang, wider, False
        if rule.random and rule.random.attribute:
            yield rule.random.attribute, rule.lang, model.vocabulary, False
    for instance in model.instances:
        for text in _leaves(instance.params):
            yield text, instance.lang, model.vocabulary, False
        output = instance.template.output
        if output is not None:
            wider = model.vocabulary.extended(output_types(output, "output."))
            for text in instance.bindings.values():
                yield text, instance.lang, wider, False


def _leaves(params: Params) -> Iterator[Text]:
    for given in params.values():
        if isinstance(given, Text):
            yield given
        else:
            yield from _leaves(given)


# -- annotations


def _changed(model: Model) -> Callable[[Key], bool]:
    """Tells the resources whose expressions are now CEL."""
    things: tuple[Rule | Instance, ...] = (*model.rules, *model.instances)
    keys = {thing.key for thing in things if thing.lang in (Lang.CEXL, Lang.COMPAT)}
    return keys.__contains__


def _annotated(text: str, changed: Callable[[Key], bool]) -> str:
    """*text* whose changed resources say that they are CEL."""
    file = YamlText(text)
    for root in file.roots:
        metadata = get(root, "metadata")
        key = Key(
            text_at(root, "kind"), text_at(root, "metadata", "namespace"),
            text_at(root, "metadata", "name"),
        )  # fmt: skip
        if metadata is None or not changed(key) or text_at(root, "apiVersion") == OURS:
            continue
        _annotate(file, metadata)
    return file.edited()


def _annotate(file: YamlText, metadata: Any) -> None:
    annotations = get(metadata, "annotations")
    said = get(annotations, LANG) if annotations else None
    if isinstance(said, yaml.ScalarNode):
        file.set(said, "CEL", file.in_flow(said))
        return
    into, words = metadata, f"annotations: {{{LANG}: CEL}}"
    if isinstance(annotations, yaml.MappingNode) and annotations.value:
        into, words = annotations, f"{LANG}: CEL"
    if into.flow_style:
        end = file.span(into)[1] - 1
        file.replace(end, end, f", {words}")
        return
    key, last = into.value[-1]
    written = len(file.text[: file.span(last)[1]].rstrip())
    line_end = file.text.find("\n", written)
    at = len(file.text) if line_end < 0 else line_end
    file.replace(at, at, f"\n{' ' * key.start_mark.column}{words}")
