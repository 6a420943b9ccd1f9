"""All adapters and templates this process has, found once at start-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
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
    broken: Mapping[str, str] = field(default_factory=dict)
    """Why an installed plugin could not be loaded, by the name of its entry point."""

    @classmethod
    def of(
        cls, adapters: Iterable[type[Adapter[Any]]], broken: Mapping[str, str] | None = None
    ) -> Catalogue:
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
        return cls(dict(sorted(named.items())), dict(sorted(templates.items())), broken or {})


def load() -> Catalogue:
    """
    Find every adapter that an installed distribution offers at the plugin door.

    A plugin that fails to import is left out and named in the catalogue; the others serve.
    """
    plugins = pluggy.PluginManager("mixer")
    plugins.add_hookspecs(hooks)
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            plugins.register(entry.load(), entry.name)
        except Exception as error:  # whatever a plugin's import may raise
            broken[entry.name] = f"{type(error).__name__}: {error}"
    found = [adapter for offered in plugins.hook.mixer_adapters() for adapter in offered]
    return Catalogue.of(sorted(found, key=lambda adapter: adapter.name), broken)
