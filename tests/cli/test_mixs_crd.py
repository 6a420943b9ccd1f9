"""mixs crd: one definition for each kind there is."""

from __future__ import annotations

import pytest
import yaml

from mixer.adapter import catalogue
from mixer.cli import mixs
from mixer.cli.mixs_crd import plural


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rule", "rules"),
        ("prometheus", "prometheuses"),
        ("box", "boxes"),
        ("listentry", "listentries"),
        ("stdio", "stdios"),
    ],
)
def test_plurals_are_those_of_the_original(kind: str, expected: str) -> None:
    assert plural(kind) == expected


def kinds(which: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert mixs.main(["crd", which]) == 0
    found = list(yaml.safe_load_all(capsys.readouterr().out))
    for one in found:
        names = one["spec"]["names"]
        assert one["metadata"]["name"] == f"{names['plural']}.config.istio.io"
        assert one["spec"]["versions"][0]["name"] == "v1alpha2"
    return {one["spec"]["names"]["kind"]: one["metadata"]["labels"]["istio"] for one in found}


def test_all_is_core_kinds_adapters_and_instances(capsys: pytest.CaptureFixture[str]) -> None:
    everything, known = kinds("all", capsys), catalogue.load()
    adapters, instances = kinds("adapter", capsys), kinds("instance", capsys)
    assert adapters == dict.fromkeys(known.adapters, "mixer-adapter")
    assert instances == dict.fromkeys(known.templates, "mixer-instance")
    core = {"rule", "attributemanifest", "adapter", "template", "handler", "instance"}
    assert everything == dict.fromkeys(core, "core") | adapters | instances
