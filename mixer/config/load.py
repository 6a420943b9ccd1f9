"""Files to resources: what is configured, with its place, before anybody asks what it means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mixer.config import parse
from mixer.config.convert import reader
from mixer.config.files import Source, roots, walk
from mixer.config.findings import Findings, closest
from mixer.config.model import Key
from mixer.config.nodes import MapNode, Node, Scalar, is_null
from mixer.errors import Place, Problem, Severity

DEFAULT_NAMESPACE = "istio-system"
OURS = "meshmixer.io/v1"
ISTIO = "config.istio.io/v1alpha2"
_WORDS = ("apiVersion", "kind", "metadata", "spec", "status")

_read_text = reader(str)

Order: TypeAlias = tuple[int, tuple[str, ...], int]
"""Root, path below it, line."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One document that names what it is."""

    key: Key
    api_version: str
    annotations: Mapping[str, str]
    spec: MapNode
    place: Place
    order: Order
    """Sorts resources into configuration order."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with its text; an error here means that it is not served."""

    @property
    def ours(self) -> bool:
        """True for ``meshmixer.io``, false for Istio's API."""
        return self.api_version.startswith("meshmixer.io/")

    @property
    def file(self) -> str:
        """The file it stands in."""
        return self.place.file


@dataclass(frozen=True, slots=True)
class Documents:
    """All that was read, in configuration order."""

    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...] = ()
    """Those of files and of documents that are no resource."""

    broken: frozenset[str] = frozenset()
    """Files, and directories, of which something could not be read at all."""

    def keeping(self, good: Mapping[Key, Resource], failed: Collection[str] = ()) -> Documents:
        """
        These documents with last *good* versions where the present ones can't be served.

        That is where the resource is *failed* (``str(key)``, as in `Problem.resource`), or is
        gone from a file that is broken. The problems stay, so that nobody overlooks them.
        """
        kept = {
            resource.key: good[resource.key]
            if str(resource.key) in failed and resource.key in good
            else resource
            for resource in self.resources
        }
        for key, resource in good.items():
            if key not in kept and self._is_broken(resource.file):
                kept[key] = resource
        return replace(self, resources=_in_order(kept.values()))

    def _is_broken(self, file: str) -> bool:
        return any(file == path or file.startswith(path + "/") for path in self.broken)


def read(
    sources: Source | Sequence[Source], default_namespace: str = DEFAULT_NAMESPACE
) -> Documents:
    """
    Read a directory, a file or several, each as a path or an ``fs://`` URL.

    Problems of files and documents are collected. Raises StartError where a root itself can't be
    read or is of an unsupported store.
    """
    reader = _Reader(default_namespace)
    for number, root in enumerate(roots(sources)):
        for path in walk(root, reader.unreadable):
            below = path.relative_to(root).parts
            try:
                data = path.read_bytes()
            except OSError as error:
                reader.unreadable(error)
            else:
                reader.file(data, str(path), number, below)
    return reader.documents()


def parse_text(text: str, file: str = "<text>", namespace: str = DEFAULT_NAMESPACE) -> Documents:
    """Read documents that are no file, such as those of a test or of standard input."""
    reader = _Reader(namespace)
    reader.file(text.encode(), file, 0, ())
    return reader.documents()


class _Reader:
    """Collects resources over all files."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._resources: dict[Key, Resource] = {}
        self._findings = Findings()
        self._broken: set[str] = set()

    def documents(self) -> Documents:
        return Documents(
            _in_order(self._resources.values()),
            tuple(self._findings.problems),
            frozenset(self._broken),
        )

    def unreadable(self, error: OSError) -> None:
        path = str(error.filename)
        self._findings.error(f"can't be read: {error.strerror}", Place(path, 1, 1))
        self._broken.add(path)

    def file(self, data: bytes, file: str, root: int, below: tuple[str, ...]) -> None:
        for document in parse.documents(data, file):
            if document.root is None:
                self._findings.problems += document.problems
                self._broken.add(file)
            else:
                self._document(document.root, document.problems, (root, below))

    def _document(
        self, root: Node, problems: tuple[Problem, ...], order: tuple[int, tuple[str, ...]]
    ) -> None:
        head = Findings()
        resource = _resource(root, head, self._namespace, order)
        if resource is None:
            found = (*problems, *head.problems)
            self._findings.problems += found
            if any(problem.severity is Severity.ERROR for problem in found):
                self._broken.add(root.file)
            return
        key = resource.key
        found = tuple(replace(one, resource=str(key)) for one in (*problems, *head.problems))
        if earlier := self._resources.get(key):
            self._findings.resource = str(key)
            self._findings.warn(
                f"declared twice, at {earlier.place} and here; this one counts",
                resource.place,
                suggestion="remove or rename one of them",
            )
        self._resources[key] = replace(resource, problems=found)


def _resource(
    root: Node, head: Findings, namespace: str, order: tuple[int, tuple[str, ...]]
) -> Resource | None:
    """Read what all kinds have in common; None where it can't be told what the document is."""
    if not isinstance(root, MapNode):
        head.error(f"a resource must be a mapping, not {root}", root.place)
        return None
    if not ({"apiVersion", "kind", "metadata"} & root.entries.keys()):
        head.warn("not a resource: it has no apiVersion, kind and metadata; skipped", root.place)
        return None
    for name in [name for name in root.entries if name not in _WORDS]:
        place = root.keys[name].place
        head.warn(f"{name!r} means nothing here", place, name, closest(name, _WORDS))
    metadata = root.entries.get("metadata")
    if metadata is not None and not isinstance(metadata, MapNode):
        head.error(f"must be a mapping, not {metadata}", metadata.place, "metadata")
        return None
    api_version = _text(root, "apiVersion", head)
    kind = _text(root, "kind", head)
    name = _text(metadata, "name", head, "metadata.")
    space = _text(metadata, "namespace", head, "metadata.")
    ours = api_version.startswith("meshmixer.io/")
    if ours and not space:
        space = namespace
    given = {"kind": kind, "metadata.name": name, "metadata.namespace": space}
    for field, value in given.items():
        if not value and not any(problem.field == field for problem in head.problems):
            suggestion = f"write it, such as {namespace!r}" if field.endswith("space") else ""
            head.error("is required", (metadata or root).place, field, suggestion)
    if not all(given.values()):
        return None
    spec = root.entries.get("spec")
    if not isinstance(spec, MapNode):
        if spec is not None and not is_null(spec):
            head.error(f"must be a mapping, not {spec}", spec.place, "spec")
        spec = MapNode(root.file, root.line, root.column, {}, {})
    return Resource(
        Key(kind, space, name),
        api_version,
        _annotations(metadata),
        spec,
        root.place,
        (*order, root.line),
    )


def _text(node: Node | None, name: str, head: Findings, prefix: str = "") -> str:
    child = node.entries.get(name) if isinstance(node, MapNode) else None
    if child is None or is_null(child):
        return ""
    value = _read_text(child, prefix + name, head)
    return value if isinstance(value, str) else ""


def _annotations(metadata: MapNode | None) -> dict[str, str]:
    node = metadata.entries.get("annotations") if metadata else None
    if not isinstance(node, MapNode):
        return {}
    return {name: value.text for name, value in node.entries.items() if isinstance(value, Scalar)}


def _in_order(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple(sorted(resources, key=lambda resource: resource.order))
