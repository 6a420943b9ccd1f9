"""Random configurations: rules of every variety over handlers of every kind, as YAML text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mixer.lang import Lang
from tests.property.expressions import (
    VOCABULARY,
    anything,
    measures,
    numbers,
    plain_truths,
    plain_values,
    texts,
    truths,
)

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

OURS, ISTIO = "meshmixer.io/v1", "config.istio.io/v1alpha2"
ANNOTATION = "policy.istio.io/lang"
NAMESPACES = ["istio-system", "shop", "bank"]
METRICS = ["m0", "m1", "m2"]
DIMENSIONS = ["a", "b"]

CHECKERS = {
    "deny": {"adapter": "denier", "params": {"status": {"code": 7, "message": "no"}}},
    "listed": {"adapter": "listchecker", "params": {"overrides": ["x", "a", "ax"]}},
    "banned": {"adapter": "denylist", "params": {"entryType": "IP_ADDRESSES",
                                                 "overrides": ["10.0.0.0/8", "::1"]}},
    "judge": {"adapter": "judge"},
    "slowjudge": {"adapter": "slowjudge"},
    "logins": {"adapter": "logins"},
}  # fmt: skip
REPORTERS = {
    "p0": {"adapter": "prometheus"},
    "p1": {"adapter": "prometheus"},
    "log": {"adapter": "stdio"},
    "notes": {"adapter": "notes"},
    "slownotes": {"adapter": "slownotes"},
    "scribe": {"adapter": "scribe"},
    "sums": {"adapter": "sums"},
}
LIMITS = {
    "adapter": "memquota",
    "params": {
        "quotas": [
            {"name": name, "maxAmount": most}
            for name, most in (("calls", 9), ("calls.instance.shop", 5), ("books", 3))
        ]
    },
}


@st.composite
def configurations(draw: Draw) -> str:
    """One or more rules, and what they need; ``LOG`` stands for the path of the log."""
    focus = draw(st.sampled_from(["check", "check", "report", "both"]))
    made = _Configuration(draw, focus, draw(st.sampled_from([False] * 7 + [True])))
    for _ in range(draw(st.integers(1, 6))):
        made.rule()
    return made.text()


@st.composite
def telemetry(draw: Draw) -> str:
    """Rules whose Reports are folded, and mostly without a fault."""
    made = _Configuration(draw, draw(st.sampled_from(["telemetry", "lines"])), generates=False)
    for _ in range(draw(st.integers(1, 4))):
        made.rule()
    return made.text()


class _Configuration:
    """A configuration while it is drawn."""

    def __init__(self, draw: Draw, focus: str, generates: bool) -> None:
        self._draw = draw
        self._documents: list[dict[str, Any]] = []
        self._used: dict[str, dict[str, Any]] = {}
        self._metrics: set[str] = set()
        self._count = 0
        self._focus = focus
        self._generates = generates
        self._simple = focus in ("telemetry", "lines")
        """Whether Reports are to be folded."""

    def text(self) -> str:
        """The whole as YAML; each document is JSON."""
        attributes = {name: {"valueType": type_.name} for name, type_ in VOCABULARY.items()}
        manifest = self._document(OURS, "attributemanifest", "words", {"attributes": attributes})
        handlers = [
            self._document(OURS, "handler", name, spec) for name, spec in self._used.items()
        ]
        return "\n---\n".join(map(json.dumps, [manifest, *handlers, *self._documents]))

    def _document(
        self, version: str, kind: str, name: str, spec: Any, namespace: str = NAMESPACES[0]
    ) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

    def rule(self) -> None:
        """Add one rule with the instances and handlers it names."""
        draw = self._draw
        version = draw(st.sampled_from([OURS, OURS, ISTIO]))
        lang = Lang.CEL if version is OURS else Lang.CEXL
        annotations = {}
        if draw(st.integers(0, 4)) == 4:
            lang = Lang.CEXL if lang is Lang.CEL else Lang.CEL
            annotations = {ANNOTATION: lang.name}
        namespace = draw(st.sampled_from(NAMESPACES))
        spec: dict[str, Any] = {"actions": [
            self._action(version, lang, namespace, annotations)
            for _ in range(draw(st.integers(1, 3)))
        ]}  # fmt: skip
        if draw(st.booleans()):
            spec["match"] = draw(plain_truths if self._simple else truths(lang, 2))
        if not self._simple and draw(st.integers(0, 9)) == 9:
            spec["sampling"] = draw(_SAMPLINGS)
        if self._focus in ("check", "both") and draw(st.integers(0, 2)) == 0:
            for where in ("requestHeaderOperations", "responseHeaderOperations"):
                spec[where] = draw(st.lists(_header(lang), max_size=2))
        if version is OURS:
            spec |= draw(_OUR_WORDS)
            if self._simple:
                spec["mode"] = "enforce"
        self._count += 1
        document = self._document(version, "rule", f"r{self._count}", spec, namespace)
        document["metadata"]["annotations"] = annotations
        self._documents.append(document)

    def _action(
        self, version: str, lang: Lang, namespace: str, annotations: dict[str, str]
    ) -> dict[str, Any]:
        draw = self._draw
        kinds = {
            "check": [*CHECKERS, "limits"],
            "report": [*REPORTERS],
            "telemetry": ["p0", "p0", "p1", "sums", "log", "notes", "scribe"],
            "lines": ["p0", "sums", "log", "scribe", "scribe", "scribe"],
            "both": [*CHECKERS, "limits", *REPORTERS],
        }[self._focus]
        name = draw(st.sampled_from(kinds + ["names"] * self._generates))
        if name in ("p0", "p1", "sums") or (name in REPORTERS and draw(st.booleans())):
            instance = self._metric()
            self._handler(name)
            return {"handler": f"{name}.istio-system", "instances": [f"{instance}.istio-system"]}
        self._handler(name)
        self._count += 1
        made = f"i{self._count}"
        template, params, extra = self._instance(name, lang)
        if name == "limits":
            made = draw(st.sampled_from(["calls", "books"]))
        spec: dict[str, Any] = {_template(version): template, "params": params, **extra}
        declared = self._document(version, "instance", made, spec, namespace)
        declared["metadata"]["annotations"] = annotations
        key = [declared["kind"], declared["metadata"]["name"], namespace]
        if name != "limits" or key not in [
            [one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]]
            for one in self._documents
        ]:
            self._documents.append(declared)
        return {"handler": f"{name}.istio-system", "instances": [made], "name": f"act{self._count}"}

    def _instance(self, handler: str, lang: Lang) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Template, params and more of an instance for a handler."""
        draw = self._draw
        match handler:
            case "deny":
                return "checknothing", {}, {}
            case "logins":
                return "login", {"token": draw(texts(lang, 1))}, {}
            case "names":
                bindings = {
                    "source.name": draw(st.sampled_from(
                        ['$out.source_pod_name | "x"', "$out.source_pod_name"])),
                    "source.labels": "$out.source_labels",
                    "source.namespace": "$out.source_namespace",
                }  # fmt: skip
                kept = draw(st.sets(st.sampled_from(sorted(bindings)), min_size=1))
                params = {"source_uid": draw(texts(lang, 0))}
                return "kubernetes", params, {"attributeBindings": {k: bindings[k] for k in kept}}
            case "limits":
                dimensions = draw(st.dictionaries(st.sampled_from(DIMENSIONS), texts(lang, 0)))
                return "quota", {"dimensions": dimensions}, {}
            case "banned":
                return "listentry", {"value": "source.ip"}, {}
            case name if name in CHECKERS:
                return "listentry", {"value": draw(texts(lang, 1))}, {}
        entry: dict[str, Any] = {
            "variables": draw(
                st.dictionaries(
                    st.sampled_from("abcd"), plain_values if self._simple else anything(lang)
                )
            ),
            "severity": draw(st.sampled_from(['"info"', "source.user", '"error"'])),
        }
        if draw(st.booleans()):
            entry["timestamp"] = "request.time"
        return "logentry", entry, {}

    def _metric(self) -> str:
        """The name of a metric's instance, which is declared with its first use."""
        draw = self._draw
        name: str = draw(st.sampled_from(METRICS))
        if name not in self._metrics:
            self._metrics.add(name)
            lang = draw(st.sampled_from([Lang.CEL, Lang.CEXL]))
            version = OURS if lang is Lang.CEL else ISTIO
            some = plain_values if self._simple else anything(lang)
            values = measures(lang) if self._simple else numbers(lang)
            dimensions = {key: draw(some) for key in DIMENSIONS}
            params = {"value": draw(values), "dimensions": dimensions}
            spec = {_template(version): "metric", "params": params}
            self._documents.append(self._document(version, "instance", name, spec))
        return name

    def _handler(self, name: str) -> None:
        if name in self._used:
            return
        spec: Any = {**CHECKERS, **REPORTERS, "limits": LIMITS,
                                "names": {"adapter": "names"}}[name]  # fmt: skip
        match name:
            case "p0" | "p1":
                infos = [
                    {
                        "instanceName": f"{metric}.instance.istio-system",
                        "name": f"{metric}_{at}",
                        "namespace": name,
                        "kind": self._draw(st.sampled_from(["COUNTER", "GAUGE", "DISTRIBUTION"])),
                        "labelNames": DIMENSIONS,
                    }
                    for metric in METRICS
                    for at in range(self._draw(st.sampled_from([0, 1, 1, 1, 2])))
                ]
                spec = {**spec, "params": {"address": "127.0.0.1:0", "metrics": infos}}
            case "log":
                level = self._draw(st.sampled_from(["INFO", "ERROR"]))
                params = {"logStream": "FILE", "outputPath": "LOG", "outputLevel": level}
                spec = {**spec, "params": params}
        self._used[name] = spec


_SAMPLINGS = st.sampled_from(
    [
        {"random": {"percentSampled": {"numerator": 40}}},
        {"random": {"percentSampled": {"numerator": 60}, "useIndependentRandomness": True}},
        {"random": {"attributeExpression": "response.code"}},
        {"rateLimit": {"samplingDuration": "9h", "samplingRate": 2, "maxUnsampledEntries": 2}},
    ]
)
_OUR_WORDS = st.fixed_dictionaries(
    {},
    optional={
        "onError": st.sampled_from(["skip", "deny", "fail"]),
        "mode": st.sampled_from(["enforce"] * 5 + ["shadow"]),
        "priority": st.integers(-1, 1),
    },
)


def _header(lang: Lang) -> st.SearchStrategy[dict[str, Any]]:
    values = st.lists(texts(lang, 1), min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {
            "name": st.sampled_from(["x-a", "x-b"]),
            "operation": st.sampled_from(["REPLACE", "APPEND"]),
            "values": values,
        }
    ) | st.just({"name": "x-c", "operation": "REMOVE"})


def _template(version: str) -> str:
    """Where an instance names its template."""
    return "template" if version is OURS else "compiledTemplate"
