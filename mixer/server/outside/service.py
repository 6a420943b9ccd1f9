"""The calls by which mixers elsewhere ask an adapter of our own (spec: out-of-process)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Any

from google.protobuf.message import DecodeError

from attributes import ValueType
from mixer._pb import adapter_model_pb2 as model
from mixer.adapter.base import Adapter
from mixer.adapter.outages import PASSING
from mixer.adapter.template import Instance, Shape, Variety
from mixer.errors import Code, RpcError
from mixer.remote import answers, protos
from mixer.remote.codec import Fill, Read, filler, fixed_types, read_types, reader
from mixer.remote.connection import SESSION
from mixer.remote.descriptors import Wire
from mixer.server.outside.openings import Opening, Openings
from mixer.transport.calls import Handler as Method

INFRASTRUCTURE = "istio.mixer.adapter.model.v1beta1.InfrastructureBackend"


@dataclass(frozen=True, slots=True)
class Served:
    """How one template is served."""

    template: type[Instance]
    wire: Wire
    read: Read
    fill: Fill | None
    """Puts an output into its message, where there is one."""

    @classmethod
    def of(cls, template: type[Instance]) -> Served:
        """How *template* is. Raises ValueError where it can't be sent."""
        wire = protos.wire_of(template)
        fill = None
        if wire.output is not None and template.output is not None:
            fill = filler(wire.output, template.output, {})
        return cls(template, wire, reader(wire.instance, template), fill)


class Service:
    """Answers for one adapter."""

    def __init__(self, adapter: type[Adapter[Any]], openings: Openings) -> None:
        self._openings = openings
        served = [Served.of(template) for template in adapter.verbs]
        self._by_types = {
            one.wire.types.DESCRIPTOR.full_name: one for one in served if one.wire.types
        }
        self.methods: Mapping[str, Method] = {
            **{one.wire.path.lstrip("/"): partial(self._handle, one) for one in served},
            f"{INFRASTRUCTURE}/Validate": self._validate,
            f"{INFRASTRUCTURE}/CreateSession": self._begin,
            f"{INFRASTRUCTURE}/CloseSession": self._end,
        }
        """What answers, by ``package.Service/Method``."""

    async def _handle(self, served: Served, raw: bytes) -> bytes:
        request = _decoded(served.wire.request, raw)
        reports = served.wire.variety is Variety.REPORT
        messages = request.instances if reports else [request.instance]
        found = [_instance(served, message) for message in messages]
        if not found:
            return b""
        instances = [instance for instance, _ in found]
        opening = await self._opening(request.adapter_config, [shape for _, shape in found])
        with opening as handler:
            assert handler.hosted is not None  # it is open
            verb = handler.hosted.verbs[served.template]
            arguments: tuple[Any, ...] = (instances if reports else instances[0],)
            if served.wire.variety is Variety.QUOTA:
                name = instances[0].name
                arguments += (answers.asked(request.quota_request, name, request.dedup_id),)
            answer = await _answer(verb, arguments)
        return _encoded(served, instances[0].name, answer)

    async def _opening(self, config: Any, shapes: Sequence[Shape]) -> Opening:
        if config.type_url == SESSION:
            return self._openings.of_session(config.value.decode("ascii", "replace"))
        return await self._openings.of_params(config.value, shapes)

    async def _validate(self, raw: bytes) -> bytes:
        request = _decoded(model.ValidateRequest, raw)
        answer = model.ValidateResponse()
        try:
            self._openings.config(request.adapter_config.value, self._shapes(request))
        except RpcError as error:
            answer.status.code, answer.status.message = int(error.code), error.message
        return answer.SerializeToString()

    async def _begin(self, raw: bytes) -> bytes:
        request = _decoded(model.CreateSessionRequest, raw)
        answer = model.CreateSessionResponse()
        try:
            shapes = self._shapes(request)
            answer.session_id = await self._openings.begin(request.adapter_config.value, shapes)
        except RpcError as error:
            answer.status.code, answer.status.message = int(error.code), error.message
        return answer.SerializeToString()

    async def _end(self, raw: bytes) -> bytes:
        await self._openings.end(_decoded(model.CloseSessionRequest, raw).session_id)
        return model.CloseSessionResponse().SerializeToString()

    def _shapes(self, request: Any) -> tuple[Shape, ...]:
        """What the caller will send, in order of name."""
        shapes = []
        for name in sorted(request.inferred_types):
            told = request.inferred_types[name]
            served = self._by_types.get(told.type_url.rpartition("/")[2])
            if served is None:
                reason = f"{name}: instances of type {told.type_url!r} are not taken"
                raise RpcError(Code.INVALID_ARGUMENT, reason)
            kind = served.wire.types
            types = read_types(_decoded(kind, told.value)) if kind else {}
            shapes.append(_shape(name, served.template, types))
        return tuple(shapes)


def _instance(served: Served, message: Any) -> tuple[Instance, Shape]:
    types: dict[str, ValueType] = {}
    instance: Instance = served.read(message, types, "")
    return instance, _shape(instance.name, served.template, types)


def _shape(name: str, template: type[Instance], types: Mapping[str, ValueType]) -> Shape:
    """A shape in which all fields whose types are fixed are there, as nobody told of them."""
    return Shape(name, template, {**fixed_types(template), **types})


async def _answer(verb: Any, arguments: tuple[Any, ...]) -> Any:
    """What *verb* answers. Raises RpcError for whatever it raises."""
    try:
        found = verb(*arguments)
        if not isawaitable(found):
            return found
        # As a task, which the transport makes of a call only where it must.
        return await asyncio.ensure_future(found)
    except PASSING as error:
        raise RpcError(Code.UNAVAILABLE, str(error) or type(error).__name__) from error
    except Exception as error:
        raise RpcError(Code.INTERNAL, f"{type(error).__name__}: {error}") from error


def _encoded(served: Served, name: str, answer: Any) -> bytes:
    response = served.wire.response()
    match served.wire.variety:
        case Variety.CHECK:
            answers.fill_verdict(response, answer)
        case Variety.CHECK_WITH_OUTPUT:
            verdict, output = answer
            answers.fill_verdict(response.result, verdict)
            response.output.SetInParent()
            assert served.fill is not None  # the variety says so
            served.fill(response.output, output)
        case Variety.QUOTA:
            answers.fill_grant(response, name, answer)
        case Variety.ATTRIBUTE_GENERATOR:
            assert served.fill is not None  # the variety says so
            served.fill(response, answer)
        case Variety.REPORT:
            pass
    encoded: bytes = response.SerializeToString()
    return encoded


def _decoded(kind: type[Any], raw: bytes) -> Any:
    try:
        return kind.FromString(raw)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise RpcError(Code.INVALID_ARGUMENT, f"the request is no {name}") from None
