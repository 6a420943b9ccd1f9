"""All manifests to one vocabulary (spec: config, attributemanifest)."""

from __future__ import annotations

from attributes import Attribute, Vocabulary
from mixer.config.convert import convert, entry
from mixer.config.findings import Findings
from mixer.config.load import Resource
from mixer.config.nodes import MapNode, locate
from mixer.config.spec import AttributeInfo, AttributeManifest
from mixer.errors import Place


class Manifests:
    """
    Merges manifests in configuration order; the first declaration of a name counts.

    A manifest that is partly wrong still declares what can be read of it: without a vocabulary,
    no expression of any resource would compile.
    """

    def __init__(self) -> None:
        self._attributes: dict[str, Attribute] = {}
        self._places: dict[str, Place] = {}

    def add(self, resource: Resource, findings: Findings) -> None:
        """Add the attributes of one manifest."""
        manifest = convert(resource.spec, AttributeManifest, findings)
        infos = manifest.attributes if manifest else _readable(resource.spec)
        for name, info in infos.items():
            place = locate(resource.spec, entry("attributes", name))
            attribute = Attribute(name, info.value_type, info.description)
            known = self._attributes.setdefault(name, attribute)
            first = self._places.setdefault(name, place)
            if known.type is not attribute.type:
                findings.warn(
                    f"attribute {name!r} is {attribute.type.name} here, but already "
                    f"{known.type.name} at {first}, which counts",
                    place,
                    entry("spec.attributes", name),
                    "declare it once",
                )

    def vocabulary(self) -> Vocabulary:
        """All that was declared."""
        return Vocabulary(self._attributes)


def _readable(spec: MapNode) -> dict[str, AttributeInfo]:
    attributes = spec.entries.get("attributes")
    entries = attributes.entries if isinstance(attributes, MapNode) else {}
    infos = {name: convert(node, AttributeInfo, Findings()) for name, node in entries.items()}
    return {name: info for name, info in infos.items() if info}
