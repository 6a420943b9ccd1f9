"""mixs: the server and the tools around its configuration."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mixer.cli import flags, mixs_server
from mixer.errors import Severity, StartError


def main(argv: Sequence[str] | None = None) -> int:
    """Run mixs; return the exit code: 1 where the command fails, 2 for bad flags."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser(*argv[:1]).parse_args(argv)
    try:
        code: int = arguments.run(arguments, os.environ)
    except StartError as error:
        print(f"mixs: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    return code


def parser(command: str = "") -> argparse.ArgumentParser:
    """The whole command line of mixs; that of one *command* imports nothing for the others."""
    top = flags.Parser("mixs", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in [_COMMANDS[command]] if command in _COMMANDS else _COMMANDS.values():
        add(commands)
    return top


def _add_probe(commands: Any) -> None:
    probe = commands.add_parser("probe", help="check a file probe")
    flags.add(probe, PROBE_FLAGS)
    probe.set_defaults(run=_probe)


def _add_validate(commands: Any) -> None:
    validate = commands.add_parser("validate", help="find all problems of a configuration")
    validate.add_argument("paths", nargs="+", metavar="PATH", help="directories or files")
    flags.add(validate, VALIDATE_FLAGS)
    validate.set_defaults(run=_validate)


def _add_eval(commands: Any) -> None:
    from mixer.cli import mixs_eval

    mixs_eval.add_parser(commands)


def _add_convert(commands: Any) -> None:
    from mixer.cli import mixs_convert

    mixs_convert.add_parser(commands)


def _add_schema(commands: Any) -> None:
    schema = commands.add_parser("schema", help="print the JSON Schema of the configuration")
    schema.set_defaults(run=_schema)


def _add_crd(commands: Any) -> None:
    from mixer.cli import mixs_crd

    mixs_crd.add_parser(commands)


def _add_adapter(commands: Any) -> None:
    from mixer.cli import mixs_adapter

    mixs_adapter.add_parser(commands)


def _add_envoy(commands: Any) -> None:
    from mixer.cli import mixs_envoy

    mixs_envoy.add_parser(commands)


def _add_collateral(commands: Any) -> None:
    collateral = commands.add_parser("collateral", help="write the reference pages")
    collateral.add_argument("folder", metavar="FOLDER", help="where the pages go")
    collateral.set_defaults(run=_collateral)


def _add_version(commands: Any) -> None:
    about = commands.add_parser("version", help="print the version")
    about.set_defaults(run=_version)


_COMMANDS: Mapping[str, Callable[[Any], None]] = {
    "server": mixs_server.add_parser,
    "probe": _add_probe,
    "validate": _add_validate,
    "eval": _add_eval,
    "convert": _add_convert,
    "schema": _add_schema,
    "crd": _add_crd,
    "envoy": _add_envoy,
    "adapter": _add_adapter,
    "collateral": _add_collateral,
    "version": _add_version,
}

PROBE_FLAGS = (
    flags.Flag("probe-path", "", "file to look at"),
    flags.Flag("interval", 0.0, "how fresh it must be", flags.seconds),
)
VALIDATE_FLAGS = (
    flags.Flag("output", "text", "text or json", flags.one_of("text", "json")),
    flags.Flag(
        "configDefaultNamespace", "istio-system", "namespace whose rules apply to all calls"
    ),
)


def _probe(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    import time

    from mixer.server.probes import is_fresh

    if not arguments.probe_path or not arguments.interval:
        raise StartError("give --probe-path and --interval")
    if not is_fresh(Path(arguments.probe_path), arguments.interval, time.time()):
        raise StartError(
            f"{arguments.probe_path} was not renewed within {arguments.interval:g} s; "
            "the mixer is not well"
        )
    print("OK")
    return 0


def _validate(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.adapter import catalogue
    from mixer.runtime import Options, validate

    options = Options(
        default_namespace=arguments.configDefaultNamespace, lang=mixs_server.lang(environment)
    )
    problems = validate(arguments.paths, catalogue.load(), options)
    if arguments.output == "json":
        print(json.dumps([problem.as_json() for problem in problems], indent=1))
    else:
        for problem in problems:
            print(problem, problem.excerpt, sep="\n" if problem.excerpt else "")
        errors = sum(problem.severity is Severity.ERROR for problem in problems)
        print(f"{errors} errors, {len(problems) - errors} warnings")
    return 1 if any(problem.severity is Severity.ERROR for problem in problems) else 0


def _schema(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.adapter import catalogue
    from mixer.config.schema import schema

    print(json.dumps(schema(catalogue.load()), indent=1))
    return 0


def _collateral(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.adapter import catalogue
    from mixer.cli import mixc, reference

    folder = Path(arguments.folder)
    found = reference.pages(catalogue.load(), [*subparsers(parser()), *subparsers(mixc.parser())])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in found.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StartError(f"can't write {error.filename}: {error.strerror}") from None
    return 0


def subparsers(top: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of all commands of *top*, and of the commands in those, in order."""
    return [
        parser
        for action in top._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
        for parser in (command, *subparsers(command))
    ]


def _version(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    print(version("meshmixer"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
