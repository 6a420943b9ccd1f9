"""Every installed adapter keeps the contract, and the contract tells who does not."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.kubernetesenv import KubernetesenvConfig
from mixer.adapter import (
    ALLOW,
    Adapter,
    CheckNothing,
    Checks,
    Config,
    Duration,
    Metric,
    Verdict,
)
from mixer.adapter.catalogue import load
from mixer.adapter.contract import broken_promises, check_lifecycle, config_types
from mixer.cli.adapter_params import params_of_docs
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.load import parse_text
from mixer.config.nodes import Node
from tests.kubernetes_api import kubeconfig

ADAPTERS = load().adapters


@pytest.fixture(params=ADAPTERS.values(), ids=lambda adapter: adapter.name)
def adapter(request: pytest.FixtureRequest) -> type[Adapter[Any]]:
    return request.param  # type: ignore[no-any-return]  # a fixture's param is of any type


def params_in(yaml: str, adapter: type[Adapter[Any]]) -> list[Node]:
    """The params of the handlers of *adapter* in a text."""
    documents = parse_text(yaml)
    assert documents.problems == ()
    return [
        resource.spec.entries["params"]
        for resource in documents.resources
        if getattr(resource.spec.entries.get("compiledAdapter"), "text", "") == adapter.name
    ]


def test_it_keeps_its_promises(adapter: type[Adapter[Any]]) -> None:
    assert broken_promises(adapter) == []


async def test_it_opens_with_the_params_of_its_docs_and_may_be_closed_twice(
    adapter: type[Adapter[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    documented = params_of_docs(adapter)
    assert documented
    for params in documented:
        findings = Findings()
        config = convert(params, adapter.config_type, findings, "params")
        assert config is not None, findings.problems
        if adapter.name == "prometheus":  # its documented port may be another's here
            config = msgspec.structs.replace(config, address="127.0.0.1:0")
        if adapter.name == "kubernetesenv":  # there is no cluster here
            file = kubeconfig(tmp_path, "http://127.0.0.1:1")
            config = KubernetesenvConfig(kubeconfig_path=str(file), sync_timeout=Duration(0))
        await check_lifecycle(adapter, config)


def test_an_unknown_setting_is_named(adapter: type[Adapter[Any]]) -> None:
    handler = f"""
        kind: handler
        metadata: {{name: wrong, namespace: test}}
        spec: {{compiledAdapter: {adapter.name}, params: {{typo: 1}}}}
    """
    (params,) = params_in(handler, adapter)
    findings = Findings()
    assert convert(params, adapter.config_type, findings, "params") is None
    assert [problem.field for problem in findings.problems if "'typo'" in problem.reason] == [
        "params.typo"
    ]


class Undocumented(Config, frozen=True):
    silent: int = 0


class Fine(Config, frozen=True):
    """Params of an adapter."""

    parts: tuple[Undocumented, ...] = ()
    """Its parts."""

    by_name: dict[str, Undocumented | None] = {}
    """Its parts by name."""


class Careless(Adapter[Fine], Checks[CheckNothing | Metric], name="Care-less"):
    def check(self, instance: CheckNothing | Metric, more: int, /) -> Verdict:  # type: ignore[override]  # the mistake to be found
        return ALLOW


def test_broken_promises_are_told() -> None:
    assert broken_promises(Careless) == [
        "the name 'Care-less' is not of small letters and digits",
        "the class Careless has no docstring",
        f"the docstring of {__name__} has no example of a handler of Care-less",
        "the class Undocumented has no docstring",
        "Undocumented.silent has no docstring",
        "check() takes 2 arguments besides self, not 1",
        "check() takes Metric, whose variety REPORT belongs to report()",
        "check() takes 2 arguments besides self, not 1",
    ]


def test_nested_config_types_are_found() -> None:
    assert set(config_types(Fine)) == {Fine, Undocumented}
