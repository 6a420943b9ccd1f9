"""``mixs crd``: the kinds as Kubernetes custom resource definitions, for ``kubectl apply``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mixer.adapter.catalogue import Catalogue

GROUP = "config.istio.io"
VERSION = "v1alpha2"
CORE = ("rule", "attributemanifest", "adapter", "template", "handler", "instance")
CHOICES = ("all", "adapter", "instance")


def add_parser(commands: Any) -> None:
    """Add the command to those of mixs."""
    parser = commands.add_parser("crd", help="print custom resource definitions for Kubernetes")
    parser.add_argument("which", choices=CHOICES, help="those of all kinds, adapters or instances")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Print the definitions as YAML."""
    import yaml

    from mixer.adapter import catalogue

    print(yaml.safe_dump_all(definitions(arguments.which, catalogue.load()), sort_keys=False))
    return 0


def definitions(which: str, catalogue: Catalogue) -> list[dict[str, Any]]:
    """One definition for each core kind, adapter and template (spec: runtime, mixs)."""
    families = {
        "core": CORE,
        "adapter": tuple(catalogue.adapters),
        "instance": tuple(catalogue.templates),
    }
    roles = {"core": "core", "adapter": "mixer-adapter", "instance": "mixer-instance"}
    return [
        _definition(kind, roles[family])
        for family, kinds in families.items()
        if which in ("all", family)
        for kind in kinds
    ]


def plural(kind: str) -> str:
    """The plural by the rules of the original, such as ``prometheuses``."""
    if kind.endswith(("s", "x")):
        return f"{kind}es"
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _definition(kind: str, role: str) -> dict[str, Any]:
    # The API server of today wants a schema; ours is checked by `mixs validate`, so any spec goes.
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural(kind)}.{GROUP}",
            "labels": {"package": kind, "istio": role},
        },
        "spec": {
            "group": GROUP,
            "names": {"kind": kind, "plural": plural(kind), "singular": kind},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
