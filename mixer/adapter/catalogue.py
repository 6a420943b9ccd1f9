"""All adapters and templates this process has, found once at start-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from mixer.adapter import hooks
from mixer.adapter.base import Adapter
from mixer.adapter.template import Instance
from mixer.adapter.templates import TEMPLATES
from mixer.errors import StartError

ENTRY_POINTS = "mixer.adapters"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What configuration may refer to."""

    adapters: Mapping[str, type[Adapter[Any]]]
    templates: Mapping[str, type[Instance]]

    @classmethod
    def of(cls, adapters: Iterable[type[Adapter[Any]]]) -> Catalogue:
        """
        A catalogue of *adapters*, and of the built-in templates with those the adapters bring.

        Raises StartError where two adapters or two templates claim one name.
        """
        named: dict[str, type[Adapter[Any]]] = {}
        templates = {template.template: template for template in TEMPLATES}
        for adapter in adapters:
            if named.setdefault(adapter.name, adapter) is not adapter:
                raise StartError(f"two installed adapters are called {adapter.name!r}")
            for template in adapter.verbs:
                if templates.setdefault(template.template, template) is not template:
                    raise StartError(f"two installed templates are called {template.template!r}")
        return cls(dict(sorted(named.items())), dict(sorted(templates.items())))


def load() -> Catalogue:
    """Find every adapter that an installed distribution offers at the plugin door."""
    plugins = pluggy.PluginManager("mixer")
    plugins.add_hookspecs(hooks)
    plugins.load_setuptools_entrypoints(ENTRY_POINTS)
    found = [adapter for offered in plugins.hook.mixer_adapters() for adapter in offered]
    return Catalogue.of(sorted(found, key=lambda adapter: adapter.name))
