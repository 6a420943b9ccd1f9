"""JSON Schema of a configuration document, for editors: the same words that `convert` reads."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from attributes import Duration
from mixer.adapter.base import Adapter
from mixer.adapter.catalogue import Catalogue
from mixer.adapter.config import Config
from mixer.adapter.docs import field_docs
from mixer.adapter.template import Instance as Template
from mixer.adapter.template import Variety
from mixer.config import params, spec
from mixer.config.build import CLIENT_SIDE
from mixer.config.convert import spellings
from mixer.config.describe import default, plain
from mixer.config.leaves import Raw
from mixer.config.load import OURS
from mixer.config.model import Text

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_WHOLE = {"type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$"}
_NUMBER = {"type": ["number", "string"], "pattern": "^[+-]?[0-9.]+([eE][+-]?[0-9]+)?$|^NaN$|^-?Inf"}
_DURATION = {
    "type": "string",
    "pattern": r"^[+-]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
}
_LEAVES: dict[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: _WHOLE,
    float: _NUMBER,
    Duration: _DURATION,
}
_BOUNDS = {
    "gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum",
    "multiple_of": "multipleOf", "min_length": "minLength", "max_length": "maxLength",
    "pattern": "pattern",
}  # fmt: skip


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """
    Make the schema of one YAML document of any kind (JSON Schema 2020-12).

    What it refuses, `build` refuses or warns of; references and expressions are beyond it.
    """
    defs: dict[str, Any] = {}
    istio, ours = _Api(catalogue, defs, ours=False), _Api(catalogue, defs, ours=True)
    kinds, our_kinds = istio.kinds(), ours.kinds()
    names = sorted({*kinds, *CLIENT_SIDE})
    return {
        "$schema": DRAFT,
        "title": "Mixer configuration",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"enum": names},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "namespace": {"type": "string", "minLength": 1},
                },
            },
        },
        "allOf": [
            {
                "if": {"properties": {"apiVersion": {"const": OURS}}},
                "then": {
                    "properties": {"kind": {"enum": sorted(our_kinds)}},
                    "allOf": _by("kind", our_kinds, "spec"),
                },
                "else": {
                    "properties": {"metadata": {"required": ["namespace"]}},
                    "allOf": _by("kind", kinds, "spec"),
                },
            }
        ],
        "$defs": dict(sorted(defs.items())),
    }


def params_schema(adapter: type[Adapter[Any]], catalogue: Catalogue) -> dict[str, Any]:
    """Make the schema of the params of *adapter* (JSON Schema 2020-12)."""
    defs: dict[str, Any] = {}
    found = _Api(catalogue, defs, ours=True)._struct(adapter.config_type)
    return {"$schema": DRAFT, "title": adapter.name, **found, "$defs": dict(sorted(defs.items()))}


def _by(field: str, choices: Mapping[str, Any], then: str) -> list[dict[str, Any]]:
    """For each value of *field*, what the field *then* must be."""
    return [
        {
            "if": {"properties": {field: {"const": value}}, "required": [field]},
            "then": {"properties": {then: wanted}},
        }
        for value, wanted in choices.items()
    ]


class _Api:
    """Makes the schemas of one apiVersion; shared definitions are collected in ``defs``."""

    def __init__(self, catalogue: Catalogue, defs: dict[str, Any], *, ours: bool) -> None:
        self._catalogue, self._defs, self._ours = catalogue, defs, ours
        literal = ["string", "number", "boolean"] if ours else ["string"]
        self._expression = {"type": [*literal, "null"]}

    def kinds(self) -> dict[str, Any]:
        """The schema of the spec of each kind."""
        core = {
            "attributemanifest": self._struct(spec.AttributeManifest),
            "template": self._struct(spec.Template),
            "adapter": self._struct(spec.Adapter),
            "handler": self._handler(),
            "instance": self._instance(),
            "rule": self._struct(spec.Rule if self._ours else spec.IstioRule),
        }
        if self._ours:
            return core
        templates = {name: self._template(type_) for name, type_ in self._templates().items()}
        adapters = {
            name: self._struct(type_.config_type)
            for name, type_ in self._catalogue.adapters.items()
        }
        return templates | adapters | core

    def _templates(self) -> Mapping[str, type[Template]]:
        return self._catalogue.templates

    def _handler(self) -> dict[str, Any]:
        choices = {
            name: self._struct(type_.config_type)
            for name, type_ in self._catalogue.adapters.items()
        }
        words = spec.Handler if self._ours else spec.IstioHandler
        return self._chosen(words, choices, "adapter")

    def _instance(self) -> dict[str, Any]:
        choices = {name: self._template(type_) for name, type_ in self._templates().items()}
        return self._chosen(spec.Instance, choices, "template")

    def _chosen(
        self, words: type[Config], choices: Mapping[str, Any], field: str
    ) -> dict[str, Any]:
        """A struct whose params depend on the adapter or template that it names."""
        compiled = [f"compiled{field.capitalize()}", f"compiled_{field}"]
        named = {"anyOf": [{"required": [name]} for name in (*compiled, field)]}
        one = {"enum": sorted(choices)}
        # A text, as what is declared may have any name; the choice is for editors to offer.
        of_both = {"anyOf": [one, {"type": "string"}]} if self._ours else {"type": "string"}
        known = {"properties": {**dict.fromkeys(compiled, one), field: of_both}}
        names = [*compiled, field] if self._ours else compiled
        cases = [case for name in names for case in _by(name, choices, "params")]
        return {"allOf": [self._struct(words), named, known, *cases]}

    def _template(self, type_: type[Template]) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            docs = field_docs(type_)
            properties = {
                spelling: self._part(annotation) | {"description": docs.get(name, "")}
                for spelling, (name, annotation) in params.fields(type_).items()
            }
            if type_.variety is Variety.ATTRIBUTE_GENERATOR:
                properties |= dict.fromkeys(params.SPELLINGS, self._texts(False))
            return _object(type_, properties)

        return self._ref(type_, make)

    def _part(self, annotation: Any) -> dict[str, Any]:
        if isinstance(annotation, type) and issubclass(annotation, Template):
            return _nullable(self._template(annotation))
        if get_origin(annotation) is dict:
            return _nullable(self._texts())
        if get_origin(annotation) is tuple:
            items = self._part(get_args(annotation)[0])
            return _nullable({"type": "array", "items": items})
        return dict(self._expression)

    def _texts(self, literals: bool = True) -> dict[str, Any]:
        kinds = self._expression["type"] if literals else ["string"]
        return {
            "type": "object",
            "additionalProperties": {"type": [kind for kind in kinds if kind != "null"]},
        }

    def _struct(self, type_: type[msgspec.Struct]) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            fields = {field.name: field for field in msgspec.structs.fields(type_)}
            docs, names = field_docs(type_), spellings(type_)
            properties = {
                spelling: self._field(type_, fields[name], docs.get(name, ""))
                for spelling, name in names.items()
            }
            required = [
                {"anyOf": [{"required": [said]} for said in properties if names[said] == name]}
                for name, field in fields.items()
                if default(field) is NODEFAULT
            ]
            made = _object(type_, properties)
            return made | {"allOf": required} if required else made

        return self._ref(type_, make)

    def _field(
        self, owner: type[msgspec.Struct], field: msgspec.structs.FieldInfo, doc: str
    ) -> dict[str, Any]:
        made = _nullable(self._raw(owner, field.name) or self._type(field.type))
        value = default(field)
        if value is not NODEFAULT and value is not None and not isinstance(value, Text):
            made = made | {"default": plain(value)}
        return made | {"description": doc}

    def _raw(self, owner: type[msgspec.Struct], name: str) -> dict[str, Any] | None:
        """Fields that `convert` leaves as they are, for `build` to read."""
        if name == "attribute_bindings":
            return self._texts(False)
        if owner is spec.Action and name == "handler":
            return self._reference(self._handler) if self._ours else {"type": "string"}
        if owner is spec.Action and name == "instances":
            one = self._reference(self._instance) if self._ours else {"type": "string"}
            return {"type": "array", "items": one}
        return None

    def _reference(self, inline: Any) -> dict[str, Any]:
        return {"if": {"type": "object"}, "then": inline(), "else": {"type": "string"}}

    def _type(self, annotation: Any) -> dict[str, Any]:
        if annotation in _LEAVES:
            return dict(_LEAVES[annotation])
        if annotation is Text:
            return {"type": "string"}
        if annotation is Raw:
            return {"type": "object"}
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._type(arguments[0]) | _bounds(arguments[1:], arguments[0])
        if origin in (Union, UnionType):
            return self._type(next(one for one in arguments if one is not NoneType))
        if origin is tuple:
            return {"type": "array", "items": self._type(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self._type(arguments[1])}
        if issubclass(annotation, IntEnum):
            numbers = [int(member) for member in annotation]
            return {"enum": [*annotation.__members__, *numbers]}
        if issubclass(annotation, Enum):
            return {"enum": [member.value for member in annotation]}
        return self._struct(annotation)

    def _ref(self, type_: type, make: Any) -> dict[str, Any]:
        """Refer to the definition of *type_*; only an adapter's own is alike in both APIs."""
        name = f"{type_.__module__}.{type_.__qualname__}"
        if not issubclass(type_, Config) or type_.__module__ == spec.__name__:
            name = ("ours." if self._ours else "istio.") + name
        if name not in self._defs:
            self._defs[name] = {}  # so that a struct may hold itself
            self._defs[name] = make()
        return {"$ref": f"#/$defs/{name}"}


def _object(type_: type, properties: dict[str, Any]) -> dict[str, Any]:
    doc = " ".join((type_.__doc__ or "").split())
    return {
        "type": "object",
        "description": doc,
        "properties": properties,
        "additionalProperties": False,
    }


def _nullable(wanted: dict[str, Any]) -> dict[str, Any]:
    """Null is the same as leaving a field out."""
    if "enum" in wanted:
        return wanted | {"enum": [*wanted["enum"], None]}
    kinds = wanted.get("type")
    if kinds is None:
        return {"anyOf": [wanted, {"type": "null"}]}
    return wanted | {"type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _bounds(metas: tuple[Any, ...], type_: Any) -> dict[str, Any]:
    if type_ is Duration:
        return {}  # a text to JSON Schema, which has no bounds
    return {
        word: bound
        for meta in metas
        for name, word in _BOUNDS.items()
        if (bound := getattr(meta, name, None)) is not None
    }
