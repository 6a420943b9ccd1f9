"""Fetch a list from its provider: plain HTTP GET, bounded in time and size."""

from __future__ import annotations

from time import monotonic
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    UnknownHandler,
)

TIMEOUT = 10.0
"""Seconds for a whole fetch."""

MAX_BYTES = 16 * 1024 * 1024
"""A longer list is refused."""

_CHUNK = 64 * 1024


def fetch(url: str) -> bytes:
    """
    Get the body behind *url*; raise OSError, ValueError or HTTPException where there is none.

    Redirects are followed; no proxy is asked, and nothing but HTTP is spoken. Blocks: run it in a
    thread.
    """
    deadline = monotonic() + TIMEOUT
    with _opener().open(url, timeout=TIMEOUT) as response:
        if response.status != 200:
            raise OSError(f"the provider answered with status {response.status} instead of 200")
        body = bytearray()
        # read1 gives what one receive gave, so that a trickling provider meets the deadline.
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > MAX_BYTES:
                raise OSError(f"the list is longer than {MAX_BYTES} bytes")
            if monotonic() > deadline:
                raise TimeoutError(f"the list did not arrive within {TIMEOUT:g} seconds")
    return bytes(body)


def _opener() -> OpenerDirector:
    # urllib's own opener also reads files, speaks FTP and takes proxies from the environment.
    opener = OpenerDirector()
    for handler in (
        HTTPHandler(),
        HTTPSHandler(),
        HTTPRedirectHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
