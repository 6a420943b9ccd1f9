"""``mixs adapter serve`` and ``export``: an adapter as a process of its own, and how to ask it."""

from __future__ import annotations

import argparse
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from mixer.adapter.base import Adapter
from mixer.adapter.catalogue import Catalogue, load
from mixer.adapter.templates import TEMPLATES
from mixer.cli import flags, mixs_server
from mixer.config.load import ISTIO, OURS
from mixer.errors import StartError

_AS_SERVER = (
    *("monitoringAddress", "drainTimeout", "serverCertFile", "serverKeyFile", "clientCAFile"),
    *("maxMessageSize", "maxConcurrentStreams"),
    *("log_target", "log_rotate", "log_rotate_max_size", "log_rotate_max_backups"),
    *("log_as_json", "log_output_level"),
)
SERVE_FLAGS = (
    flags.Flag("address", "tcp://127.0.0.1:9070", "tcp://HOST:PORT or unix:///PATH of the API"),
    flags.Flag("monitoringPort", 15015, "port of metrics and health, 0 for a free one", int),
    *(flag for flag in mixs_server.FLAGS if flag.name in _AS_SERVER),
)
EXPORT_FLAGS = (
    flags.Flag("adapter", "", "name of the resource of kind adapter, by default remote-NAME"),
    flags.Flag("namespace", "istio-system", "namespace of the resources"),
    flags.Flag("api", "ours", "ours, or istio for a mixer of Istio", flags.one_of("ours", "istio")),
)


def add_parsers(verbs: Any) -> None:
    """Add the commands to those of ``mixs adapter``."""
    serve = verbs.add_parser("serve", help="serve an adapter to mixers of other processes")
    serve.add_argument("name", metavar="NAME")
    flags.add(serve, SERVE_FLAGS)
    serve.set_defaults(run=_serve)

    export = verbs.add_parser("export", help="print how mixers know an adapter that is served")
    export.add_argument("name", metavar="NAME")
    flags.add(export, EXPORT_FLAGS)
    export.set_defaults(run=_export)


def _serve(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    import asyncio

    from mixer.server.outside import app
    from mixer.transport.calls import Limits

    adapter = named(arguments.name, load())

    settings = app.OutsideSettings(
        address=arguments.address,
        monitoring_host=arguments.monitoringAddress,
        monitoring_port=arguments.monitoringPort,
        drain=arguments.drainTimeout,
        limits=Limits(arguments.maxMessageSize, arguments.maxConcurrentStreams),
        tls=mixs_server.tls(arguments),
        log=mixs_server.log_options(arguments),
    )
    asyncio.run(app.serve(adapter, settings))
    return 0


def _export(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    import yaml

    adapter = named(arguments.name, load())
    name = arguments.adapter or f"remote-{adapter.name}"
    istio = arguments.api == "istio"
    resources = exported(adapter, name, arguments.namespace, istio=istio)
    print(yaml.safe_dump_all(resources, sort_keys=False, width=10**6), end="")
    return 0


def exported(
    adapter: type[Adapter[Any]], name: str, namespace: str, *, istio: bool
) -> list[dict[str, Any]]:
    """
    The resources by which a mixer knows *adapter*, called *name*, in another process.

    Templates that every mixer of ours has are not among them, unless they are for *istio*'s.
    Raises StartError where something can't be sent.
    """
    from mixer.remote import configs, protos

    try:
        params = configs.files_of(adapter.name, adapter.config_type)
        files = {
            template.template: protos.files_of(template)
            for template in adapter.verbs
            if istio or template not in TEMPLATES
        }
    except ValueError as error:
        raise StartError(f"{adapter.name} can't be served to other processes: {error}") from None
    api = ISTIO if istio else OURS
    names = [template.template for template in adapter.verbs]
    spec: dict[str, Any] = {
        "templates": names,
        "sessionBased": not istio,
        "config": _packed(params) if adapter.config_type.__struct_fields__ else "",
    }
    if istio:
        spec["session_based"] = spec.pop("sessionBased")
    return [
        *(
            _resource(api, "template", template, namespace, {"descriptor": _packed(described)})
            for template, described in files.items()
        ),
        _resource(api, "adapter", name, namespace, spec),
    ]


def named(name: str, catalogue: Catalogue) -> type[Adapter[Any]]:
    """The installed adapter *name*. Raises StartError where there is none that can be loaded."""
    if name in catalogue.broken:
        raise StartError(f"the adapter {name!r} can't be loaded: {catalogue.broken[name]}")
    if name not in catalogue.adapters:
        names = ", ".join(catalogue.adapters)
        raise StartError(f"there is no adapter {name!r}; installed are {names}")
    return catalogue.adapters[name]


def _resource(api: str, kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> Any:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def _packed(files: Any) -> str:
    return b64encode(files.SerializeToString(deterministic=True)).decode()
