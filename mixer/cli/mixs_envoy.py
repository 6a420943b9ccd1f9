"""``mixs envoy config``: what an Envoy is to be told, so that it asks and tells a mixer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mixer.cli.flags import Flag, add, one_of, seconds, truth
from mixer.errors import StartError

Config: TypeAlias = dict[str, Any]

CLUSTER = "mixer"
_TYPES = "type.googleapis.com/envoy.extensions"
_HTTP = "filters.network.http_connection_manager.v3.HttpConnectionManager"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CONTEXTS = {"inbound": "SIDECAR_INBOUND", "outbound": "SIDECAR_OUTBOUND", "gateway": "GATEWAY"}

_MODE = one_of(*_CONTEXTS)

FLAGS = (
    Flag("mixer", "127.0.0.1:9091", "HOST:PORT of the mixer's API"),
    Flag(
        "mode", "inbound", "where the proxy stands: inbound, outbound, gateway", one_of(*_CONTEXTS)
    ),
    Flag(
        "form",
        "bootstrap",
        "bootstrap for a whole Envoy, snippet for the parts of one, istio for an EnvoyFilter",
        one_of("bootstrap", "snippet", "istio"),
    ),
    Flag("namespace", "default", "namespace of the service, whose rules apply"),
    Flag("host", "", "destination.service.host; without it, that of each request"),
    Flag("failOpen", False, "let requests pass that the mixer can't decide on", truth),
    Flag("timeout", 1.0, "how long Envoy waits for a decision", seconds),
    Flag("logHeaders", "content-type", "request headers that rules on reports read, by commas"),
    Flag("mixerCA", "", "file of the CA of the mixer's certificate, as Envoy sees it: speak TLS"),
    Flag("listen", "127.0.0.1:8000", "bootstrap: HOST:PORT that Envoy listens on"),
    Flag("service", "127.0.0.1:8080", "bootstrap: HOST:PORT that requests go to"),
    Flag("admin", "127.0.0.1:9901", "bootstrap: HOST:PORT of Envoy's administration"),
    Flag("id", "proxy-1", "bootstrap: the name of the proxy"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration is to be for; see `FLAGS`."""

    mixer: str = "127.0.0.1:9091"
    mode: str = "inbound"
    namespace: str = "default"
    host: str = ""
    fail_open: bool = False
    timeout: float = 1.0
    log_headers: tuple[str, ...] = ("content-type",)
    mixer_ca: str = ""

    @property
    def reporter(self) -> str:
        """The kind of reporter that the proxy is."""
        return "outbound" if self.mode == "outbound" else "inbound"

    @property
    def names(self) -> dict[str, str]:
        """The attributes that the proxy gives by name."""
        end = "source" if self.mode == "outbound" else "destination"
        named = {"context.reporter.kind": self.reporter, f"{end}.namespace": self.namespace}
        return named | ({"destination.service.host": self.host} if self.host else {})


def add_parser(commands: Any) -> None:
    """Add the command to those of mixs."""
    parser = commands.add_parser("envoy", help="print the configuration of an Envoy")
    parser.add_argument("what", choices=("config",), help="its filter, access log and cluster")
    add(parser, FLAGS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Print the configuration as YAML. Raises StartError where an address is none."""
    import yaml

    wanted = Wanted(
        arguments.mixer,
        arguments.mode,
        arguments.namespace,
        arguments.host,
        arguments.failOpen,
        arguments.timeout,
        tuple(name.strip().lower() for name in arguments.logHeaders.split(",") if name.strip()),
        arguments.mixerCA,
    )
    made = {
        "bootstrap": lambda: bootstrap(
            wanted, arguments.listen, arguments.service, arguments.admin, arguments.id
        ),
        "snippet": lambda: snippet(wanted),
        "istio": lambda: istio(wanted),
    }[arguments.form]()
    print(yaml.safe_dump(made, sort_keys=False, width=100), end="")
    return 0


def bootstrap(wanted: Wanted, listen: str, service: str, admin: str, name: str) -> Config:
    """A whole Envoy that listens on one address and passes requests on to another."""
    manager = {
        "@type": f"{_TYPES}.{_HTTP}",
        "stat_prefix": "web",
        "use_remote_address": True,
        "access_log": [_access_log(wanted)],
        "http_filters": [
            _ext_authz(wanted),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
            },
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "typed_per_filter_config": _names(wanted),
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "service"}}],
                }
            ]
        },
    }
    listener = {
        "name": "web",
        "address": _address(listen),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }
    return {
        "node": {"id": name, "cluster": wanted.namespace},
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [listener],
            "clusters": [_cluster("service", service), _policy(wanted)],
        },
    }


def snippet(wanted: Wanted) -> Config:
    """What to put where in the configuration of an Envoy that there is."""
    return {
        "clusters": [_policy(wanted)],
        "http_filters": [_ext_authz(wanted)],
        "access_log": [_access_log(wanted)],
        "typed_per_filter_config": _names(wanted),
    }


def istio(wanted: Wanted) -> Config:
    """An EnvoyFilter for the workloads of a namespace."""
    context = _CONTEXTS[wanted.mode]
    manager = {"filter": {"name": "envoy.filters.network.http_connection_manager"}}
    router = {"filter": {"name": manager["filter"]["name"], "subFilter": _ROUTER}}
    log = {"@type": f"{_TYPES}.{_HTTP}", "access_log": [_access_log(wanted)]}
    patches = [
        _patch("CLUSTER", {"context": context}, "ADD", _policy(wanted)),
        _patch(
            "HTTP_FILTER",
            {"context": context, "listener": {"filterChain": router}},
            "INSERT_BEFORE",
            _ext_authz(wanted),
        ),
        _patch(
            "NETWORK_FILTER",
            {"context": context, "listener": {"filterChain": manager}},
            "MERGE",
            {"name": manager["filter"]["name"], "typed_config": log},
        ),
        _patch(
            "VIRTUAL_HOST",
            {"context": context},
            "MERGE",
            {"typed_per_filter_config": _names(wanted)},
        ),
    ]
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"mixer-{wanted.mode}", "namespace": wanted.namespace},
        "spec": {"configPatches": patches},
    }


_ROUTER = {"name": "envoy.filters.http.router"}


def _patch(to: str, match: Config, operation: str, value: Config) -> Config:
    return {"applyTo": to, "match": match, "patch": {"operation": operation, "value": value}}


def _ext_authz(wanted: Wanted) -> Config:
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": {
                "envoy_grpc": {"cluster_name": CLUSTER},
                "timeout": f"{wanted.timeout:g}s",
            },
            "failure_mode_allow": wanted.fail_open,
            "status_on_error": {"code": "ServiceUnavailable"},
            "include_peer_certificate": True,
            "include_tls_session": True,
            "metadata_context_namespaces": [
                "envoy.filters.http.jwt_authn",
                "envoy.filters.http.rbac",
            ],
        },
    }


def _names(wanted: Wanted) -> Config:
    return {
        "envoy.filters.http.ext_authz": {
            "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "check_settings": {"context_extensions": wanted.names},
        }
    }


def _access_log(wanted: Wanted) -> Config:
    return {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": wanted.reporter,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
                "custom_tags": [
                    {"tag": name, "literal": {"value": value}}
                    for name, value in wanted.names.items()
                ],
            },
            "additional_request_headers_to_log": list(wanted.log_headers),
            "additional_response_headers_to_log": ["grpc-status", "grpc-message"],
            "additional_response_trailers_to_log": ["grpc-status", "grpc-message"],
        },
    }


def _policy(wanted: Wanted) -> Config:
    made = {
        **_cluster(CLUSTER, wanted.mixer),
        "typed_extension_protocol_options": {
            _OPTIONS: {
                "@type": f"type.googleapis.com/{_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        # Only while none is healthy are all asked; by default, while half of them are.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "5s",
                "no_traffic_interval": "5s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
    }
    if wanted.mixer_ca:
        made["transport_socket"] = _tls(
            wanted.mixer.rpartition(":")[0].strip("[]"), wanted.mixer_ca
        )
    return made


def _tls(host: str, authority: str) -> Config:
    is_address = ":" in host or host.replace(".", "").isdecimal()
    said = {"san_type": "IP_ADDRESS" if is_address else "DNS", "matcher": {"exact": host}}
    whom = {"trusted_ca": {"filename": authority}, "match_typed_subject_alt_names": [said]}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
            **({} if is_address else {"sni": host}),
            "common_tls_context": {"alpn_protocols": ["h2"], "validation_context": whom},
        },
    }


def _cluster(name: str, place: str) -> Config:
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(place)}}]}],
        },
    }


def _address(place: str) -> Config:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise StartError(f"{place!r} is not of the form HOST:PORT")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
