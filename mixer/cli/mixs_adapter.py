"""``mixs adapter``: what is installed and how it is set up, new ones, and a trial."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from mixer.adapter.base import Adapter
from mixer.adapter.catalogue import ENTRY_POINTS, Catalogue, load
from mixer.cli import flags, mixs_adapter_serve
from mixer.cli.mixs_adapter_serve import named
from mixer.errors import StartError

OUTPUT = flags.Flag("output", "text", "text or json", flags.one_of("text", "json"))
NEW_FLAGS = (
    flags.Flag("template", [], "what rules send to it; one flag each", repeated=True),
    flags.Flag("folder", "", "where to write the package, by default the name of it"),
)
TEST_FLAGS = (
    flags.Flag("params", "", "YAML file with the params to try it with, instead of its examples'"),
    OUTPUT,
)


def add_parser(commands: Any) -> None:
    """Add the command to those of mixs."""
    adapter = commands.add_parser("adapter", help="installed adapters, and new ones")
    verbs = adapter.add_subparsers(required=True, metavar="VERB")

    listed = verbs.add_parser("list", help="print all installed adapters")
    flags.add(listed, [OUTPUT])
    listed.set_defaults(run=_list)

    show = verbs.add_parser("show", help="print how an adapter is configured")
    show.add_argument("name", metavar="NAME")
    flags.add(show, [OUTPUT])
    show.set_defaults(run=_show)

    new = verbs.add_parser("new", help="write a package with a new adapter, its test and its docs")
    new.add_argument("name", metavar="NAME", help="small letters and digits")
    flags.add(new, NEW_FLAGS)
    new.set_defaults(run=_new)

    test = verbs.add_parser("test", help="try whether an adapter keeps its contract")
    test.add_argument("package", metavar="PACKAGE", help="a distribution, or an adapter")
    flags.add(test, TEST_FLAGS)
    test.set_defaults(run=_test)

    mixs_adapter_serve.add_parsers(verbs)


def _list(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.cli.reference import summary

    catalogue = load()
    origins = _origins()
    lines = [
        {
            "name": name,
            "templates": sorted(template.template for template in adapter.verbs),
            "package": origins.get(adapter.__module__.partition(".")[0], ""),
            "about": summary(adapter),
        }
        for name, adapter in catalogue.adapters.items()
    ]
    if arguments.output == "json":
        print(json.dumps({"adapters": lines, "broken": dict(catalogue.broken)}, indent=1))
        return 0
    for line in lines:
        print(f"{line['name']:<15} {line['about']}")
        print(f"{'':<15} {', '.join(line['templates'])}; {line['package']}")
    for name, why in catalogue.broken.items():
        print(f"{name:<15} can't be loaded: {why}")
    return 0


def _show(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.cli.reference import adapter_section
    from mixer.config.schema import params_schema

    catalogue = load()
    adapter = named(arguments.name, catalogue)
    if arguments.output == "json":
        print(json.dumps(params_schema(adapter, catalogue), indent=1))
    else:
        print("\n".join(adapter_section(adapter)).strip())
    return 0


def _new(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from mixer.cli import mixs_adapter_new

    catalogue = load()
    if arguments.name in catalogue.adapters:
        raise StartError(f"there is an adapter {arguments.name!r} already; choose another name")
    folder = Path(arguments.folder or mixs_adapter_new.distribution(arguments.name))
    files = mixs_adapter_new.files(arguments.name, arguments.template, catalogue)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise StartError(f"{folder} is there and not empty; choose another with --folder")
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StartError(f"can't write {error.filename}: {error.strerror}") from None
    print(*(folder / name for name in files), sep="\n")
    print(mixs_adapter_new.next_steps(arguments.name, folder))
    return 0


def _test(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    import asyncio
    from contextlib import chdir
    from tempfile import TemporaryDirectory

    from mixer.adapter.trial import trial
    from mixer.cli.adapter_params import configs

    outcome: dict[str, Any] = {}
    for adapter in _of_package(arguments.package, load()):
        tried = configs(adapter, arguments.params)
        with TemporaryDirectory() as folder, chdir(folder):  # some write files
            found = asyncio.run(trial(adapter, *tried))
        outcome[adapter.name] = {"broken": found.broken, "notes": found.notes}
        if arguments.output == "text":
            for promise in found.broken:
                print(f"{adapter.name}: BROKEN: {promise}")
            for note in found.notes:
                print(f"{adapter.name}: {note}")
            print(f"{adapter.name}: {len(found.broken) or 'no'} broken promises")
    if arguments.output == "json":
        print(json.dumps(outcome, indent=1))
    return 1 if any(found["broken"] for found in outcome.values()) else 0


def _of_package(package: str, catalogue: Catalogue) -> Sequence[type[Adapter[Any]]]:
    """The adapters of a distribution, or the one of that name."""
    if package in catalogue.adapters:
        return [catalogue.adapters[package]]
    modules = {module for module, origin in _origins().items() if origin.split()[0] == package}
    found = [
        adapter
        for adapter in catalogue.adapters.values()
        if adapter.__module__.partition(".")[0] in modules
    ]
    if not found:
        named(package, catalogue)
    return found


def _origins() -> dict[str, str]:
    """By top-level module of each plugin, the distribution it comes from and its version."""
    return {
        entry.value.partition(":")[0].partition(".")[0]: f"{found.name} {found.version}"
        for found in distributions()
        for entry in found.entry_points
        if entry.group == ENTRY_POINTS
    }
