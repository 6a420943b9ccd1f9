"""mixc: a script written for the original client works, flag for flag and line for line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

from attributes import Duration, Timestamp, Value
from mixer._pb import mixer_pb2 as pb
from mixer.cli import mixc, mixc_attributes
from mixer.wire import decode


class Service:
    """A Mixer that answers what a test tells it to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.checks: list[bytes] = []
        self.reports: list[bytes] = []
        self.answer = pb.CheckResponse()
        self.refuses: tuple[grpc.StatusCode, str] | None = None
        self.refuse_after: int | None = None
        self.address = ""

    def check(self, raw: bytes, context: grpc.ServicerContext) -> bytes:
        self.checks.append(raw)
        if self.refuses:
            context.abort(*self.refuses)
        if self.refuse_after is not None and len(self.checks) > self.refuse_after:
            context.abort(grpc.StatusCode.UNAVAILABLE, "enough")
        return self.answer.SerializeToString()

    def report(self, raw: bytes, context: grpc.ServicerContext) -> bytes:
        self.reports.append(raw)
        if self.refuses:
            context.abort(*self.refuses)
        return b""

    def sent(self, *names: str) -> dict[str, Value | None]:
        """Attributes of the last Check."""
        source = decode.check_request(self.checks[-1]).source
        return {name: source.get(name) for name in names}


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(found.check),
        "Report": grpc.unary_unary_rpc_method_handler(found.report),
    }
    generic = grpc.method_handlers_generic_handler("istio.mixer.v1.Mixer", handlers)
    server.add_generic_rpc_handlers((generic,))
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield found
    server.stop(0).wait()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(service: Service, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(command: str, *flags: str) -> tuple[int, str]:
        code = mixc.main([command, "-m", service.address, *flags])
        return code, capsys.readouterr().out

    return ran


def test_a_check_prints_what_the_original_printed(run: Run, service: Service) -> None:
    precondition = service.answer.precondition
    precondition.valid_duration.seconds = 60
    precondition.valid_use_count = 10000
    references = precondition.referenced_attributes
    references.words.extend(["request.headers", "clnt", "context.reporter.kind"])
    references.attribute_matches.add(name=-1, map_key=-2, condition="EXACT")
    references.attribute_matches.add(name=-3, condition="ABSENCE")
    service.answer.quotas["rq"].granted_amount = 1
    service.answer.quotas["rq"].valid_duration.seconds = 60
    assert run("check", "-s", "a=b", "-q", "rq=1") == (
        0,
        "Check RPC completed successfully. Check status was OK\n"
        "  Valid use count: 10000, valid duration: 1m0s\n"
        "  Referenced Attributes\n"
        "    context.reporter.kind ABSENCE\n"
        "    request.headers::clnt EXACT\n"
        "  Quota  Granted Amount  Duration\n"
        "  rq     1               1m0s\n"
        "\n",
    )
    asked = decode.check_request(service.checks[0])
    assert asked.word_count == 0
    assert asked.quotas["rq"].deduplication_id.removesuffix("rq").isdecimal()
    assert (asked.quotas["rq"].amount, asked.quotas["rq"].best_effort) == (1, True)


@pytest.mark.parametrize(
    ("code", "message", "shown"),
    [(7, "no", "PERMISSION_DENIED (no)"), (7, "", "PERMISSION_DENIED"), (99, "", "Code 99")],
)
def test_a_status_is_named(run: Run, service: Service, code: int, message: str, shown: str) -> None:
    service.answer.precondition.status.code = code
    service.answer.precondition.status.message = message
    _, printed = run("check")
    assert printed.splitlines()[0].endswith(f"Check status was {shown}")


def test_a_failed_call_says_so_and_exits_with_1(run: Run, service: Service) -> None:
    service.refuses = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
    assert run("check") == (1, "Check RPC failed with: ResourceExhausted (too much)\n")
    assert run("report") == (1, "Report RPC returned ResourceExhausted (too much)\n")


def test_a_report_is_a_delta_of_identical_messages(run: Run, service: Service) -> None:
    assert run("report", "-i", "response.code=200", "--report_batch_size=3") == (
        0,
        "Report RPC returned OK\n",
    )
    request = pb.ReportRequest.FromString(service.reports[0])
    assert request.repeated_attributes_semantics == pb.ReportRequest.DELTA_ENCODING
    assert len(request.attributes) == 3
    assert len({message.SerializeToString() for message in request.attributes}) == 1


def test_calls_are_repeated_by_each_worker_with_ids_of_their_own(
    run: Run, service: Service
) -> None:
    code, printed = run("check", "-r", "3", "-c", "2", "--print_response=false")
    assert (code, printed) == (0, "")
    ids = {pb.CheckRequest.FromString(raw).deduplication_id for raw in service.checks}
    assert len(ids) == 6


def test_a_word_that_the_answer_does_not_have_is_told_and_does_no_harm(
    run: Run, service: Service
) -> None:
    references = service.answer.precondition.referenced_attributes
    references.attribute_matches.add(name=-5, condition="EXACT")
    references.attribute_matches.add(name=999, condition="EXACT")
    code, printed = run("check")
    assert code == 0
    assert printed.splitlines()[3:5] == [
        "    unknown word -5 EXACT",
        "    unknown word 999 EXACT",
    ]


def test_one_failed_call_of_many_makes_the_exit_code_1(run: Run, service: Service) -> None:
    service.refuse_after = 2
    code, printed = run("check", "-r", "3", "--rate", "1000", "--print_response=false")
    assert (code, printed) == (1, "Check RPC failed with: Unavailable (enough)\n")


def test_flags_of_tracing_are_taken_and_said_to_do_nothing(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mixc.main(["report", "-m", service.address, "--trace_log_spans"]) == 0
    assert "--trace_log_spans is accepted and has no effect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        (["-s", "x=1"], "1"),
        (["--string_attributes", "x=a=b"], "a=b"),
        (["-i", "x=-5"], -5),
        (["-d", "x=0.5"], 0.5),
        (["-b", "x=T"], True),
        (["-t", "x=2019-11-24T00:00:00Z"], Timestamp.parse("2019-11-24T00:00:00Z")),
        (["--duration_attributes", "x=1.5s"], Duration.of(1.5)),
        (["--bytes_attributes", "x=0a:2c:1:11"], bytes([10, 44, 1, 17])),
        (["--stringmap_attributes", "x=a:1;b:2:3"], {"a": "1", "b": "2:3"}),
        (["-a", "x=1"], 1),
        (["-a", "x=1.5"], 1.5),
        (["-a", "x=t"], True),
        (["-a", "x=2019-11-24T00:00:00Z"], Timestamp.parse("2019-11-24T00:00:00Z")),
        (["-a", "x=300ms"], Duration.of(0.3)),
        (["-a", "x=0a"], b"\x0a"),
        (["-a", "x=k:v"], {"k": "v"}),
        (["-a", "x=plain text"], "plain text"),
        (["-i", "x=1", "-s", "x=a"], 1),
        (["-a", "x=1", "--stringmap_attributes", "x=k:v"], 1),
        (["-s", "y=1,x=2"], "2"),
        (["-s", "x=1", "-s", "x=2"], "2"),
    ],
)
def test_flags_become_typed_attributes_and_later_kinds_override(
    run: Run, service: Service, flags: list[str], value: Any
) -> None:
    run("check", *flags)
    found = service.sent("x")["x"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-i", "x=abc"], "--int64_attributes: x='abc' is not an integer of 64 bits"),
        (["-s", "lonely"], "--string_attributes: 'lonely' is not of the form name=value"),
        (["-b", "x=perhaps"], "x='perhaps' is not true or false"),
        (["--bytes_attributes", "x=zz"], "x='zz' is not hex bytes"),
        (["-t", "x=now"], "x='now' is not a time"),
        (["-q", "rq=many"], "--quotas: rq='many' is not an integer"),
        (["-q", "rq=99999999999999999999"], "is not an integer of 64 bits"),
        (["-q", "rq"], "--quotas: 'rq' is not of the form name=value"),
        (["-s", "x=\udcff"], "--string_attributes: 'x=\\udcff' is not UTF-8"),
        (["-r", "0"], "'0' is not a whole number from 1 to"),
        (["-c", "many"], "'many' is not a whole number from 1 to"),
        (["--rate", "x"], "'x' is not a whole number from -1 to"),
        (["--print_response=maybe"], "'maybe' is not true or false"),
    ],
)
def test_a_wrong_flag_is_told_before_anything_is_sent(
    service: Service, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        mixc.main(["check", "-m", service.address, *flags])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert service.checks == []


def test_the_order_of_sensing_is_the_originals() -> None:
    kinds = [flag.names[-1] for flag in mixc_attributes.FLAGS]
    assert kinds[0] == "--string_attributes"
    assert kinds[-1] == "--attributes"
