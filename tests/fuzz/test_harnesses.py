"""What fuzzing looks for without end (`make fuzz`), looked for a little in each test run."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from . import compression, connection, messages

scripts = given(st.binary(min_size=20, max_size=400) | st.binary(max_size=3000))
often = settings(max_examples=300, deadline=None)


@often
@scripts
def test_no_client_and_no_handler_can_make_a_connection_break_the_rules(script: bytes) -> None:
    connection.run(script)


@often
@scripts
def test_blocks_are_what_another_decoder_takes_them_for(script: bytes) -> None:
    compression.run(script)


@often
@scripts
def test_any_request_gives_a_message_or_a_status(script: bytes) -> None:
    messages.run(script)
