"""mixs eval: what an expression is worth for a bag, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from attributes import Vocabulary
from mixer.cli import flags
from mixer.cli.attribute_values import bag_of
from mixer.cli.eval_jsonl import LANGS, answer, answers
from mixer.cli.eval_session import Session
from mixer.errors import StartError

FLAGS = (
    flags.Flag("lang", "CEL", "CEL, CEXL or COMPAT", flags.one_of(*LANGS)),
    flags.Flag("bag", "", "YAML file of attribute names and values; - is the standard input"),
    flags.Flag("config", "", "folder or file whose attributemanifests give the attributes' types"),
    flags.Flag("output", "text", "text or json", flags.one_of("text", "json")),
    flags.Flag("jsonl", "", "file of JSON objects, one a line; - is the standard input"),
)


def add_parser(commands: Any) -> None:
    """Let mixs know the command."""
    parser = commands.add_parser("eval", help="evaluate an expression; without one, a REPL")
    parser.add_argument("expression", nargs="?", metavar="EXPRESSION", help="what to evaluate")
    parser.add_argument("attributes", nargs="*", metavar="NAME=VALUE", help="attributes of the bag")
    flags.add(parser, FLAGS)
    parser.add_argument("--explain", action="store_true", help="show the value of each part")
    parser.add_argument("--strict", action="store_true", help="refuse what is not standard CEL")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if arguments.jsonl:
        with _opened(arguments.jsonl) as lines:
            for line in answers(lines):
                print(line, flush=True)
        return 0
    session = _session(arguments)
    if arguments.expression is None:
        return _converse(session, environment)
    if arguments.output == "json":
        found = answer(arguments.expression, session.lang, session.vocabulary, session.values, {})
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return int("error" in found)
    has_value, text = session.evaluate(arguments.expression)
    print(text, file=sys.stdout if has_value or arguments.explain else sys.stderr)
    return 0 if has_value else 1


def _session(arguments: argparse.Namespace) -> Session:
    lang = LANGS[arguments.lang]
    lang = lang.strict if arguments.strict else lang
    session = Session(_vocabulary(arguments.config), lang=lang, explains=arguments.explain)
    try:
        if arguments.bag:
            with _opened(arguments.bag) as file:
                values, session.vocabulary = bag_of(yaml.safe_load(file), session.vocabulary)
                session.values |= values
        for text in arguments.attributes:
            session.assign(text)
    except (ValueError, yaml.YAMLError) as error:
        raise StartError(f"the bag can't be read: {error}") from None
    return session


def _vocabulary(source: str) -> Vocabulary:
    if not source:
        return Vocabulary()
    from mixer.adapter import catalogue
    from mixer.config import build, load

    model, _ = build.build(load.read([source]), catalogue.load())
    return model.vocabulary


@contextmanager
def _opened(name: str) -> Iterator[IO[str]]:
    if name == "-":
        yield sys.stdin
        return
    try:
        with Path(name).open(encoding="utf-8") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"can't read {name}: {error}") from None


def _converse(session: Session, environment: Mapping[str, str]) -> int:
    """The REPL; with a pipe for input, a line is an expression and nothing is prompted."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            said = session.say(line)
            if said is None:
                break
            if said:
                print(said)
        return 0
    with _line_editing(session, environment):
        print("Expressions over attributes; :help says more.")
        while True:
            try:
                said = session.say(input("> "))
                if said is None:
                    return 0
                if said:
                    print(said)
            except EOFError:
                print()
                return 0
            except KeyboardInterrupt:
                print()


@contextmanager
def _line_editing(session: Session, environment: Mapping[str, str]) -> Iterator[None]:
    """History and completion, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return

    def complete(prefix: str, state: int) -> str | None:
        found = [word for word in session.words() if word.startswith(prefix)]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n()[]{},!&|<>=+*/?\"'")
    readline.parse_and_bind("tab: complete")
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    history = Path(state) / "mixs" / "history"
    if history.exists():
        readline.read_history_file(history)
    try:
        yield
    finally:
        try:
            history.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1000)
            readline.write_history_file(history)
        except OSError as error:
            print(f"mixs: the history can't be kept: {error}", file=sys.stderr)
