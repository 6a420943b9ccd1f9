"""Fetch a list from its provider: plain HTTP GET, bounded in time and size."""

from __future__ import annotations

from time import monotonic
from urllib.parse import urlsplit
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


def fault(url: str) -> str | None:
    """Say what is wrong with the *url* of a provider, None where nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises on a port that is no number
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{url!r} does not begin with 'http://' or 'https://'"
    if not parts.hostname:
        return f"{url!r} names no host"
    return None


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
