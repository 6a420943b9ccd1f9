"""The reference pages, made from the code: kinds, templates, adapters, flags, metrics."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mixer.adapter.base import Adapter
from mixer.adapter.catalogue import Catalogue
from mixer.adapter.config import Config
from mixer.adapter.contract import examples
from mixer.cli import reference_expressions
from mixer.config import describe, spec
from mixer.telemetry.table import TABLE

NOTICE = "<!-- Generated from the code by `make docs`; do not edit. -->"
KINDS: tuple[tuple[str, str, type[Config]], ...] = (
    ("attributemanifest", "both APIs", spec.AttributeManifest),
    ("handler", "`meshmixer.io/v1`", spec.Handler),
    ("handler", "`config.istio.io/v1alpha2`", spec.IstioHandler),
    ("instance", "both APIs", spec.Instance),
    ("rule", "`meshmixer.io/v1`", spec.Rule),
    ("rule", "`config.istio.io/v1alpha2`", spec.IstioRule),
)


def pages(catalogue: Catalogue, commands: Iterable[argparse.ArgumentParser]) -> dict[str, str]:
    """All pages by file name."""
    return {
        "kinds.md": _page("Kinds", _kinds()),
        "templates.md": _page("Templates", _templates(catalogue)),
        "adapters.md": _page("Adapters", _adapters(catalogue)),
        "flags.md": _page("Commands and flags", _flags(commands)),
        "metrics.md": _page("Metrics", _metrics()),
        "expressions.md": _page("Expressions", reference_expressions.page()),
    }


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([NOTICE, "", f"# {title}", "", *lines]).rstrip() + "\n"


def _kinds() -> Iterator[str]:
    yield (
        "Every document has `apiVersion`, `kind`, `metadata` (`name`, `namespace`, `annotations`) "
        "and `spec`. Names may be written in snake_case or lowerCamelCase. Beside these kinds, "
        "`config.istio.io/v1alpha2` has one for each adapter and template; its spec is the params."
    )
    for kind, api, type_ in KINDS:
        yield ""
        yield f"## {kind} ({api})"
        yield from _struct(type_)


def _templates(catalogue: Catalogue) -> Iterator[str]:
    yield "What an expression of each field must be; all fields may be left out."
    for name, template in catalogue.templates.items():
        yield ""
        yield f"## {name}"
        yield ""
        yield summary(template)
        yield ""
        yield f"Variety: {template.variety.name}."
        yield from _struct(template)
        if template.output is not None:
            yield ""
            yield "Output:"
            yield from _table(describe.fields(template.output))


def _adapters(catalogue: Catalogue) -> Iterator[str]:
    yield (
        "A handler is an adapter with params. How it is called may be said beside the params of "
        "any handler: `timeout`, `queue`, `retry`, `breaker` and `concurrency`, see "
        "[kinds](kinds.md)."
    )
    for adapter in catalogue.adapters.values():
        yield ""
        yield from adapter_section(adapter)


def adapter_section(adapter: type[Adapter[Any]]) -> Iterator[str]:
    """What there is to know to configure *adapter*, in Markdown."""
    yield f"## {adapter.name}"
    yield ""
    yield inspect.cleandoc(adapter.__doc__ or "")
    yield ""
    taken = ", ".join(f"`{template.template}`" for template in adapter.verbs)
    yield f"Templates: {taken}."
    yield from _struct(adapter.config_type)
    for example in examples(adapter):
        yield ""
        yield "```yaml"
        yield example.strip()
        yield "```"


def _flags(commands: Iterable[argparse.ArgumentParser]) -> Iterator[str]:
    for parser in commands:
        yield ""
        yield f"## {parser.prog}"
        yield ""
        yield "| flag | meaning |"
        yield "|---|---|"
        for action in parser._actions:
            if action.option_strings and action.dest != "help":
                names = " ".join(f"`{name}`" for name in action.option_strings)
                yield f"| {names} | {_cell((action.help or '').replace('%%', '%'))} |"


def _metrics() -> Iterator[str]:
    yield "On `/metrics` of the monitoring port, with those of the process and of Python."
    yield ""
    yield "| name | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for line in TABLE:
        labels = ", ".join(f"`{label}`" for label in line.labels)
        yield f"| `{line.name}` | {line.kind.value} | {labels} | {_cell(line.help)} |"


def _struct(type_: type[msgspec.Struct]) -> Iterator[str]:
    """The table of a struct, and of the structs in it."""
    yield from _table(describe.fields(type_))
    for inner in describe.structs(type_):
        yield ""
        yield f"### {inner.__name__}"
        yield ""
        yield summary(inner)
        yield from _table(describe.fields(inner))


def _table(fields: list[describe.FieldInfo]) -> Iterator[str]:
    yield ""
    if not fields:
        yield "No fields."
        return
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        default = f"`{field.default_text}`" if field.default_text else ""
        cells = map(_cell, (f"`{field.name}`", field.type_text, default, field.doc))
        yield f"| {' | '.join(cells)} |"


def summary(thing: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
