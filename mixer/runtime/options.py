"""What the command line says about configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from mixer.adapter.catalogue import Catalogue
from mixer.config import describe, load, parse
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.model import Handler
from mixer.errors import StartError
from mixer.lang import Lang


@dataclass(frozen=True, slots=True)
class Options:
    """How to read configuration."""

    default_namespace: str = load.DEFAULT_NAMESPACE
    lang: Lang | None = None
    """Overrides the language of every resource."""

    deny_unknown_quota: bool = False
    """Whether a quota that no rule knows is refused instead of granted."""

    fused: bool = True
    """Whether rules become one function per scope; else they go the plain way, its reference."""

    adapter_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Params by adapter and field, for handlers that leave them at the adapter's default."""

    def applied(self, handler: Handler) -> Handler:
        """*handler* with the defaults of its adapter put in."""
        given = self.adapter_defaults.get(handler.adapter.name, {})
        built_in = {
            one.name: describe.default(one) for one in msgspec.structs.fields(type(handler.params))
        }
        changes = {
            name: value
            for name, value in given.items()
            if getattr(handler.params, name) == built_in[name]
        }
        if not changes:
            return handler
        return replace(handler, params=msgspec.structs.replace(handler.params, **changes))


def adapter_defaults(settings: Sequence[str], catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """
    Read ``NAME.key=value`` texts, whose values are YAML.

    Raises StartError where an adapter or key is unknown or a value does not fit.
    """
    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, _, rest = setting.partition(".")
        key, equals, value = rest.partition("=")
        if not equals or name not in catalogue.adapters:
            raise StartError(
                f"--adapterDefault {setting!r} is not of the form NAME.key=value with the name "
                f"of an adapter ({', '.join(catalogue.adapters)})"
            )
        findings = Findings("")
        (document,) = parse.documents(f"{key}: {value}\n".encode(), "--adapterDefault")
        config_type = catalogue.adapters[name].config_type
        root = document.root
        params = convert(root, config_type, findings, "") if root is not None else None
        if params is None or findings.problems:
            reasons = "; ".join(f"{one.reason} {one.suggestion}" for one in findings.problems)
            raise StartError(f"--adapterDefault {setting!r}: {reasons or 'it is no YAML'}")
        field_name = _field(key, config_type)
        found.setdefault(name, {})[field_name] = getattr(params, field_name)
    return found


def _field(key: str, config_type: type[msgspec.Struct]) -> str:
    """The field that YAML calls *key*, in either spelling."""
    plain = key.strip().replace("_", "").lower()
    return next(
        name for name in config_type.__struct_fields__ if name.replace("_", "").lower() == plain
    )
