"""The files of a new adapter: a package that installs, passes the contract, and says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mixer.adapter.catalogue import Catalogue
from mixer.adapter.template import Instance, Variety
from mixer.adapter.templates import TEMPLATES
from mixer.errors import StartError

_NAME = re.compile(r"[a-z][a-z0-9]*")
DEFAULT_TEMPLATE = "checknothing"
LINE = 100


def distribution(name: str) -> str:
    """The name of the package of an adapter."""
    return f"meshmixer-{name}"


def module(name: str) -> str:
    """The name of its module; a plain name could be that of the library it uses."""
    return f"meshmixer_{name}"


def files(name: str, templates: Sequence[str], catalogue: Catalogue) -> Mapping[str, str]:
    """
    The files of an adapter called *name* that takes *templates*, by path in its folder.

    Raises StartError where the name or a template is wrong.
    """
    if not _NAME.fullmatch(name):
        raise StartError(f"{name!r} is no name of an adapter: small letters and digits make one")
    takes = _templates(templates or [DEFAULT_TEMPLATE], catalogue)
    tests = "\n\n\n".join(
        _fill(_TESTS[one.variety], {"T": one.__name__, "template": one.template}) for one in takes
    )
    own = [f"{name.capitalize()}Config"] if "{config}" in tests else []
    words = {
        "name": name,
        "class": f"{name.capitalize()}Adapter",
        "config": f"{name.capitalize()}Config",
        "module": module(name),
        "distribution": distribution(name),
        "instances": ", ".join(f"{{template: {one.template}}}" for one in takes),
        "standard": _standard(takes),
        "imports": _imports(takes),
        "bases": _bases(takes),
        "verbs": "".join(_VERBS[kind].format(t=_union(found)) for kind, found in _by(takes)),
        "tests": tests,
        "test_imports": _import("mixer.adapter", sorted(_test_names(takes))),
        "own_imports": _import(module(name), [f"{name.capitalize()}Adapter", *own]),
    }
    return {
        "pyproject.toml": _fill(_PYPROJECT, words),
        f"{module(name)}.py": _fill(_ADAPTER, words),
        f"tests/test_{name}.py": _fill(_TEST, words),
        "rules/rule.yaml": _fill(_RULE, words),
        "README.md": _fill(_README, words),
    }


def next_steps(name: str, folder: Path) -> str:
    """What to do with the files."""
    return f"""
Next:
  pip install --editable {folder}
  mixs adapter test {name}
  pytest {folder}
  mixs server --configStoreURL fs://{folder.absolute()}/rules"""


def _templates(names: Sequence[str], catalogue: Catalogue) -> list[type[Instance]]:
    built_in = {template.template: template for template in TEMPLATES}
    for name in names:
        if name not in built_in:
            known = ", ".join(built_in)
            why = "comes from a plugin" if name in catalogue.templates else "is not known"
            raise StartError(f"the template {name!r} {why}; give one of {known}")
    return [built_in[name] for name in dict.fromkeys(names)]


def _by(templates: Sequence[type[Instance]]) -> list[tuple[Variety, list[type[Instance]]]]:
    varieties = dict.fromkeys(one.variety for one in templates)
    return [(kind, [one for one in templates if one.variety is kind]) for kind in varieties]


def _union(templates: Sequence[type[Instance]]) -> str:
    return " | ".join(template.__name__ for template in templates)


def _standard(templates: Sequence[type[Instance]]) -> str:
    reports = any(one.variety is Variety.REPORT for one in templates)
    return "\nfrom collections.abc import Sequence\n" if reports else ""


def _imports(templates: Sequence[type[Instance]]) -> str:
    names = {"Adapter", "Config", "hookimpl"} | {one.__name__ for one in templates}
    for one in templates:
        names |= _NAMES[one.variety]
        if one.output is not None:
            names.add(one.output.__name__)
    return "\n".join(f"    {name}," for name in sorted(names, key=_isorted))


def _isorted(name: str) -> tuple[int, str]:
    """As linters sort names: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _bases(templates: Sequence[type[Instance]]) -> str:
    found = ["Adapter[{config}]"]
    for variety, of in _by(templates):
        outputs = [one.output.__name__ for one in of if one.output is not None]
        more = f", {' | '.join(outputs)}" if outputs else ""
        found.append(f"{_BASES[variety]}[{_union(of)}{more}]")
    return "\n".join(f"    {base}," for base in found)


def _test_names(templates: Sequence[type[Instance]]) -> set[str]:
    more = {"QuotaArgs"} if any(one.variety is Variety.QUOTA for one in templates) else set()
    return more | {one.__name__ for one in templates}


def _import(module: str, names: Sequence[str]) -> str:
    """An import of *names*, on as many lines as formatters want."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _fill(text: str, words: Mapping[str, str]) -> str:
    for _ in range(2):  # words hold words
        for word, value in words.items():
            text = text.replace("{" + word + "}", value)
    return text.lstrip("\n")


_BASES = {
    Variety.CHECK: "Checks",
    Variety.QUOTA: "Allocates",
    Variety.REPORT: "Reports",
    Variety.ATTRIBUTE_GENERATOR: "Generates",
}
_NAMES = {
    Variety.CHECK: {"ALLOW", "Checks", "Verdict"},
    Variety.QUOTA: {"Allocates", "Grant", "QuotaArgs"},
    Variety.REPORT: {"Reports"},
    Variety.ATTRIBUTE_GENERATOR: {"Generates"},
}
_VERBS = {
    Variety.CHECK: '''
    def check(self, instance: {t}, /) -> Verdict:
        """Allow or deny. Make it `async def` to wait for a back end."""
        if self.config.message:
            return Verdict.deny(self.config.message)
        return ALLOW
''',
    Variety.QUOTA: '''
    def allocate(self, instance: {t}, args: QuotaArgs, /) -> Grant:
        """Grant what is asked for. Make it `async def` to wait for a back end."""
        return Grant(args.amount, valid_for=60.0)
''',
    Variety.REPORT: '''
    async def report(self, batch: Sequence[{t}], /) -> None:
        """Take a batch; the host queues, retries and counts. `def` would run in the call itself."""
        for instance in batch:
            self.env.log.info(self.config.message or "reported", instance=repr(instance))
''',
    Variety.ATTRIBUTE_GENERATOR: '''
    def generate(self, instance: {t}, /) -> KubernetesOutput:
        """Find attributes of a call; what is left None is not set."""
        return KubernetesOutput(source_namespace=self.config.message or "default")
''',
}
_TESTS = {
    Variety.CHECK: """
async def test_a_{template}_is_denied_with_the_message() -> None:
    async with running({class}, {config}(message="not today")) as adapter:
        assert adapter.check({T}()).message == "not today"
    async with running({class}) as adapter:
        assert adapter.check({T}()).code == 0
""".strip(),
    Variety.QUOTA: """
async def test_a_{template}_is_granted() -> None:
    async with running({class}) as adapter:
        assert adapter.allocate({T}(), QuotaArgs(3)).amount == 3
""".strip(),
    Variety.REPORT: """
async def test_a_{template}_is_taken() -> None:
    async with running({class}) as adapter:
        await adapter.report([{T}()])
""".strip(),
    Variety.ATTRIBUTE_GENERATOR: """
async def test_{template}_attributes_are_found() -> None:
    async with running({class}, {config}(message="shop")) as adapter:
        assert adapter.generate({T}()).source_namespace == "shop"
""".strip(),
}
_PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "The adapter {name} for the mixer"
requires-python = ">=3.11"
dependencies = ["meshmixer>=0.1,<1"]

[project.optional-dependencies]
test = ["pytest>=8.3", "pytest-asyncio>=1.0"]

# The server finds the adapter by this.
[project.entry-points."mixer.adapters"]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
"""
_ADAPTER = '''
"""
Says in one line what the adapter {name} is for.

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: my{name}}
    spec:
      adapter: {name}
      params: {message: ""}
"""

from __future__ import annotations
{standard}
from mixer.adapter import (
{imports}
)


class {config}(Config, frozen=True):
    """Params of {name}; the text below each field is its documentation."""

    message: str = ""
    """What a caller is told; empty is for nothing to tell."""


class {class}(
{bases}
    name="{name}",
):
    """Says what {name} does, and what becomes of calls while its back end is away."""

    async def open(self) -> None:
        """Connect, load, start background work with `self.env.spawn`."""

    async def close(self) -> None:
        """Flush and release; may be called twice."""
{verbs}

@hookimpl
def mixer_adapters() -> list[type[{class}]]:
    """Offer the adapter at the plugin door."""
    return [{class}]
'''
_TEST = '''
"""The adapter {name} does what its docs say."""

{test_imports}
from mixer.adapter.testing import running
from mixer.adapter.trial import trial

{own_imports}


async def test_it_keeps_the_contract_of_an_adapter() -> None:
    assert (await trial({class})).broken == []


{tests}
'''
_RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: try-{name}}
spec:
  actions:
  - handler: {adapter: {name}, params: {message: "{name} says hello"}}
    instances: [{instances}]
"""
_README = """
# {distribution}

The adapter `{name}` for the mixer. Say here what it is for, and what it needs.

    pip install --editable .[test]
    mixs adapter show {name}
    mixs adapter test {name}
    pytest
    mixs server --configStoreURL fs://$PWD/rules

`rules/rule.yaml` sends it every call. Ask the server with `mixc check` or tell it with
`mixc report`, then change `{module}.py` and start the server again.
"""
