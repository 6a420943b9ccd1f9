"""The params that an adapter is tried with: those of its docs, or of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixer.adapter.base import Adapter
from mixer.adapter.config import Config
from mixer.adapter.contract import examples
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.load import parse_text
from mixer.config.nodes import Node
from mixer.config.parse import documents
from mixer.errors import StartError


def configs(adapter: type[Adapter[Any]], file: str) -> list[Config]:
    """
    The params in *file*, YAML of what stands under ``params``; without one, those of the docs.

    Raises StartError where they are wrong.
    """
    nodes = _of_file(Path(file)) if file else params_of_docs(adapter)
    return [_config(adapter, node) for node in nodes]


def params_of_docs(adapter: type[Adapter[Any]]) -> list[Node]:
    """The params of all handlers of *adapter* that its module's docstring shows."""
    found = []
    for example in examples(adapter):
        for resource in parse_text(example).resources:
            spec = resource.spec.entries
            named = (spec.get("compiledAdapter"), spec.get("adapter"))
            if adapter.name in [getattr(node, "text", None) for node in named]:
                found += [spec["params"]] if "params" in spec else []
    return found


def _of_file(file: Path) -> list[Node]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise StartError(f"can't read {file}: {error.strerror}") from None
    return [document.root for document in documents(text, str(file)) if document.root is not None]


def _config(adapter: type[Adapter[Any]], node: Node) -> Config:
    findings = Findings("")
    config: Config | None = convert(node, adapter.config_type, findings, "params")
    if config is None:
        raise StartError("; ".join(map(str, findings.problems)))
    return config
