"""mixc: asks and tells a mixer from the command line, as Istio's client of that name did."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TypeAlias, cast

import grpc

from attributes import Value
from attributes.texts import integer
from mixer._pb import mixer_pb2 as pb
from mixer.cli import mixc_attributes, mixc_output
from mixer.cli.flags import TRACING, Flag, Parser, add, idle_notes, truth, whole
from mixer.wire import encode

Send: TypeAlias = Callable[[int], bool]
"""Makes the call with this number, prints the outcome, tells whether the RPC succeeded."""

SERVICE = "/istio.mixer.v1.Mixer"
FLAGS: tuple[Flag, ...] = (
    Flag("mixer", "localhost:9091", "where the mixer listens", short="m"),
    Flag("repeat", 1, "calls of each worker", whole(1), "r"),
    Flag("concurrency", 1, "workers", whole(1), "c"),
    Flag("rate", -1, "calls per second and worker; -1 is as fast as it goes", whole(-1)),
    Flag("print_response", True, "print what is answered", truth),
    *TRACING,
)
BATCH = Flag("report_batch_size", 1, "attribute messages in one Report", whole(1))
_printing = threading.Lock()


def main(argv: Sequence[str] | None = None) -> int:
    """Run mixc; return the exit code: 0 where every RPC succeeded, 1 otherwise, 2 for bad flags."""
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command == "version":
        print(version("meshmixer"))
        return 0
    for note in idle_notes(TRACING, arguments):
        print(f"{top.prog}: {note}", file=sys.stderr)
    try:
        flags = [(flag, getattr(arguments, flag.dest)) for flag in mixc_attributes.FLAGS]
        attributes = mixc_attributes.read((flag, text) for flag, texts in flags for text in texts)
        quotas = _quotas(getattr(arguments, "quotas", []))
    except ValueError as error:
        top.error(str(error))
    with grpc.insecure_channel(arguments.mixer) as channel:
        if arguments.command == "check":
            send = _check(channel, attributes, quotas, arguments.print_response)
        else:
            send = _report(channel, attributes, arguments)
        try:
            return 0 if _repeat(send, arguments) else 1
        except KeyboardInterrupt:
            return 130


def parser() -> argparse.ArgumentParser:
    """The whole command line of mixc."""
    top = Parser("mixc", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="ask whether a call may pass")
    report = commands.add_parser("report", help="tell what happened")
    commands.add_parser("version", help="print the version")
    for command in (check, report):
        add(command, FLAGS)
        for flag in mixc_attributes.FLAGS:
            command.add_argument(
                *flag.names,
                action="append",
                default=[],
                metavar="NAME=VALUE,...",
                help=f"attributes: {flag.help}",
            )
    check.add_argument(
        "-q",
        "--quotas",
        action="append",
        default=[],
        metavar="NAME=AMOUNT,...",
        help="quotas to draw from, with best effort",
    )
    add(report, [BATCH])
    return top


def _quotas(texts: Sequence[str]) -> dict[str, int]:
    flag = mixc_attributes.Flag(("--quotas",), "amounts", integer)
    return mixc_attributes.read((flag, text) for text in texts)


def _check(
    channel: grpc.Channel, attributes: dict[str, Value], quotas: dict[str, int], show: bool
) -> Send:
    call = channel.unary_unary(
        f"{SERVICE}/Check",
        request_serializer=pb.CheckRequest.SerializeToString,
        response_deserializer=pb.CheckResponse.FromString,
    )
    request = pb.CheckRequest(attributes=encode.attributes(attributes))
    for name, amount in quotas.items():
        request.quotas[name].amount = amount
        request.quotas[name].best_effort = True
    started = time.time_ns()

    def send(number: int) -> bool:
        asked = pb.CheckRequest()
        asked.CopyFrom(request)
        asked.deduplication_id = str(started + number)
        try:
            response = call(asked)
        except grpc.RpcError as error:
            _say(f"Check RPC failed with: {_failure(error)}\n")
            return False
        if show:
            _say(mixc_output.check(response))
        return True

    return send


def _report(
    channel: grpc.Channel, attributes: dict[str, Value], arguments: argparse.Namespace
) -> Send:
    call = channel.unary_unary(
        f"{SERVICE}/Report",
        request_serializer=pb.ReportRequest.SerializeToString,
        response_deserializer=pb.ReportResponse.FromString,
    )
    message = encode.attributes(attributes)
    request = pb.ReportRequest(attributes=[message] * arguments.report_batch_size)

    def send(number: int) -> bool:
        try:
            call(request)
        except grpc.RpcError as error:
            _say(f"Report RPC returned {_failure(error)}\n")
            return False
        if arguments.print_response:
            _say("Report RPC returned OK\n")
        return True

    return send


def _failure(error: grpc.RpcError) -> str:
    call = cast(grpc.Call, error)  # what a channel raises is both
    return f"{mixc_output.code_name(call.code())} ({call.details()})"


def _repeat(send: Send, arguments: argparse.Namespace) -> bool:
    """Make all calls; tell whether all succeeded."""
    pause = 1 / arguments.rate if arguments.rate > 0 else 0.0
    stopped = threading.Event()

    def work(worker: int) -> bool:
        succeeded = True
        due = time.monotonic()
        for number in range(arguments.repeat):
            succeeded &= send(worker * arguments.repeat + number)
            due += pause
            if stopped.wait(due - time.monotonic() if pause else 0):
                break
        return succeeded

    with ThreadPoolExecutor(arguments.concurrency) as pool:
        try:
            return all([*pool.map(work, range(arguments.concurrency))])
        finally:
            stopped.set()


def _say(text: str) -> None:
    with _printing:
        sys.stdout.write(text)
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
