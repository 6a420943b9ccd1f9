"""
What every adapter promises, as checks for its own tests.

A test of an adapter, built in or not, asks for example::

    def test_it_keeps_the_contract() -> None:
        assert broken_promises(MyAdapter) == []

    async def test_it_opens_and_closes() -> None:
        await check_lifecycle(MyAdapter, MyConfig())
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any, get_args

import msgspec

from mixer.adapter.base import VERB_OF, VERBS, Adapter
from mixer.adapter.config import Config
from mixer.adapter.docs import field_docs
from mixer.adapter.template import Instance
from mixer.adapter.testing import running

_NAME = re.compile(r"[a-z][a-z0-9]*")
_INDENTED = re.compile(r"\n\n((?: {4}.*\n|\n)+)")


def broken_promises(adapter: type[Adapter[Any]]) -> list[str]:
    """Tell which promises *adapter* breaks, as far as can be seen without opening it."""
    return [
        *_of_the_name(adapter),
        *_of_the_docs(adapter),
        *(
            broken
            for template, verb in adapter.verbs.items()
            for broken in _of_a_verb(adapter, template, verb)
        ),
    ]


async def check_lifecycle(adapter: type[Adapter[Any]], config: Config) -> None:
    """
    Open *adapter*, close it twice, and open it anew.

    Raises what the adapter raises, and `Rejected` where it finds problems in the *config*.
    """
    for _ in range(2):
        async with running(adapter, config) as opened:
            await opened.close()


def examples(adapter: type[Adapter[Any]]) -> list[str]:
    """The complete resources in YAML that the docstring of the adapter's module shows."""
    module = inspect.getmodule(adapter)
    docs = inspect.cleandoc(module.__doc__ or "") if module else ""
    blocks = [dedent(found) for found in _INDENTED.findall(docs + "\n")]
    return [block for block in blocks if re.search("^apiVersion:", block, re.MULTILINE)]


def config_types(annotation: Any) -> Iterator[type[Config]]:
    """All Config structs that params of this type are made of, itself first."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
        for field in msgspec.structs.fields(annotation):
            yield from config_types(field.type)
    for argument in get_args(annotation):
        yield from config_types(argument)


def _of_the_name(adapter: type[Adapter[Any]]) -> Iterator[str]:
    if not _NAME.fullmatch(adapter.name):
        yield f"the name {adapter.name!r} is not of small letters and digits"


def _of_the_docs(adapter: type[Adapter[Any]]) -> Iterator[str]:
    if not adapter.__dict__.get("__doc__"):
        yield f"the class {adapter.__name__} has no docstring"
    words = re.compile(rf"\b(compiledAdapter|adapter): {re.escape(adapter.name)}\b")
    if not any(words.search(example) for example in examples(adapter)):
        yield f"the docstring of {adapter.__module__} has no example of a handler of {adapter.name}"
    for config in dict.fromkeys(config_types(adapter.config_type)):
        if not config.__dict__.get("__doc__"):
            yield f"the class {config.__name__} has no docstring"
        docs = field_docs(config)
        for field in msgspec.structs.fields(config):
            if not docs.get(field.name):
                yield f"{config.__name__}.{field.name} has no docstring"


def _of_a_verb(adapter: type[Adapter[Any]], template: type[Instance], verb: str) -> Iterator[str]:
    if verb != VERB_OF[template.variety]:
        yield (
            f"{verb}() takes {template.__name__}, whose variety {template.variety.name} belongs to "
            f"{VERB_OF[template.variety]}()"
        )
    method = getattr(adapter, verb, None)
    if method is None or any(getattr(origin, verb, None) is method for origin in VERBS):
        yield f"{verb}() is promised for {template.__name__} and not defined"
        return
    takes = len(inspect.signature(method).parameters) - 1
    wanted = 2 if verb == "allocate" else 1
    if takes != wanted:
        yield f"{verb}() takes {takes} arguments besides self, not {wanted}"
