"""
Allow what is on a list, or deny it: strings, addresses or regular expressions.

The list is given in the configuration, fetched from a URL, or both. Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: versions, namespace: istio-system}
    spec:
      compiledAdapter: listchecker
      params:
        overrides: [v1, v2]

As ``denylist`` it denies what is listed, where listchecker needs ``blacklist: true``::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: banned, namespace: istio-system}
    spec:
      compiledAdapter: denylist
      params:
        entryType: IP_ADDRESSES
        overrides: [203.0.113.0/24, "2001:db8::1"]

A list behind a URL is fetched when the handler opens and at every interval after::

    params:
      providerUrl: https://lists.example.com/versions
      refreshInterval: 60s
      ttl: 300s
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterable, Sequence

from adapters.listchecker.entries import Entries, EntryType, build, read
from adapters.listchecker.provider import fetch
from mixer.adapter import (
    Adapter,
    Checks,
    Code,
    Config,
    Duration,
    Env,
    FieldProblem,
    ListEntry,
    NonNegative,
    Shape,
    Verdict,
    hookimpl,
    text,
)
from mixer.adapter.http import url_fault

NO_SAY = Verdict(valid_for=0, valid_uses=0)


class ListcheckerConfig(Config, frozen=True):
    """Params of listchecker."""

    provider_url: str = ""
    """Where to fetch the list (http or https); empty means that the overrides are the list."""

    refresh_interval: Duration = Duration.of(60)
    """How often to fetch, at least 1s."""

    ttl: Duration = Duration.of(300)
    """How long a list is used after it was last fetched, at least the refresh interval."""

    caching_interval: Duration = Duration.of(300)
    """How long a sidecar may reuse an answer."""

    caching_use_count: NonNegative = 10_000
    """How often a sidecar may reuse an answer."""

    overrides: tuple[str, ...] = ()
    """Entries besides those fetched."""

    entry_type: EntryType = EntryType.STRINGS
    """How entries are compared: STRINGS exactly, CASE_INSENSITIVE_STRINGS, IP_ADDRESSES as
    ranges or single addresses, REGEX as RE2 expressions that may match anywhere."""

    blacklist: bool = False
    """True: listed values are denied. False: all others are."""


class DenylistConfig(ListcheckerConfig, frozen=True):
    """Params of denylist: those of listchecker, with another default."""

    blacklist: bool = True
    """True: listed values are denied. False: all others are."""


class NoList(Exception):
    """There is no list to look into, since none could be fetched."""


class Listchecker(Adapter[ListcheckerConfig], Checks[ListEntry], name="listchecker"):
    """
    Looks values up in a list.

    A failed fetch keeps the list there is until its time to live is over. Without a list, checks
    fail if the last fetch did, and pass if it is only late.
    """

    def __init__(self, config: ListcheckerConfig, env: Env) -> None:
        super().__init__(config, env)
        self._validity = (config.caching_interval.seconds, config.caching_use_count)
        self._allowed = Verdict(Code.OK, "", *self._validity)
        self._complaint = " is blacklisted" if config.blacklist else " is not whitelisted"
        self._entries: Entries | None = None
        self._expires = math.inf
        self._digest = b""
        self._error = ""
        self._refreshing: asyncio.Task[None] | None = None

    @classmethod
    def problems(cls, config: ListcheckerConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find a URL that can't be fetched, intervals that don't fit, and bad entries."""
        if config.provider_url:
            if reason := url_fault(config.provider_url):
                yield FieldProblem("provider_url", reason)
            if config.refresh_interval < Duration.of(1):
                yield FieldProblem(
                    "refresh_interval", f"'{config.refresh_interval}' is less than 1s"
                )
            if config.ttl < config.refresh_interval:
                yield FieldProblem(
                    "ttl",
                    f"'{config.ttl}' is less than the refresh_interval '{config.refresh_interval}'",
                    "the list would be gone before the next fetch",
                )
        if config.caching_interval < 0:
            yield FieldProblem("caching_interval", f"'{config.caching_interval}' is less than 0")
        for index, entry in enumerate(config.overrides):
            try:
                build(config.entry_type, [entry])
            except ValueError as error:
                yield FieldProblem(f"overrides[{index}]", str(error))

    async def open(self) -> None:
        """Build the list, fetching it first where it has a provider; a failed fetch is no error."""
        if not self.config.provider_url:
            self._entries = build(self.config.entry_type, self.config.overrides)
            return
        await self.refresh()
        self._refreshing = self.env.spawn(self._refresh_at_intervals())

    async def close(self) -> None:
        """Stop fetching."""
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})
            self._refreshing = None

    def check(self, instance: ListEntry, /) -> Verdict:
        """Look the value up; raise `NoList` where no list could be fetched."""
        if self._expires <= self.env.clock():
            self._purge()
        entries = self._entries
        if entries is None:
            return self._without_list()
        value = instance.value
        try:
            if type(value) is str:
                listed = entries.has_text(value)
            elif type(value) is bytes:
                listed = entries.has_address(value)
            else:
                return self._invalid(f"{text(value)} is not a valid string or IP address")
        except ValueError:
            return self._invalid(f"{text(value)} is not a valid IP address")
        if listed is not self.config.blacklist:
            return self._allowed
        return Verdict(Code.PERMISSION_DENIED, text(value) + self._complaint, *self._validity)

    async def refresh(self) -> None:
        """Fetch the list once. What goes wrong is logged, and told by checks without a list."""
        try:
            body = await self.env.work(fetch, self.config.provider_url)
            digest = hashlib.sha1(body, usedforsecurity=False).digest()
            if digest != self._digest:
                self._entries = await self.env.work(self._parse, body)
                self._digest = digest
        except Exception as error:  # whatever a provider sends, refreshing goes on
            self._error = f"{type(error).__name__}: {error}"
            self.env.log.warning("list not fetched", handler=self.env.name, error=self._error)
        else:
            self._error = ""
            self._expires = self.env.clock() + self.config.ttl.seconds

    async def _refresh_at_intervals(self) -> None:
        while True:
            await asyncio.sleep(self.config.refresh_interval.seconds)
            await self.refresh()

    def _parse(self, body: bytes) -> Entries:
        fetched = read(self.config.entry_type, body)
        return build(self.config.entry_type, [*fetched, *self.config.overrides])

    def _purge(self) -> None:
        self._entries, self._digest, self._expires = None, b"", math.inf

    def _without_list(self) -> Verdict:
        if self._error:
            raise NoList(
                f"{self.env.name} has no list, since the last fetch of "
                f"{self.config.provider_url!r} failed: {self._error}"
            )
        return NO_SAY

    def _invalid(self, message: str) -> Verdict:
        return Verdict(Code.INVALID_ARGUMENT, message, *self._validity)


class Denylist(Listchecker, name="denylist"):
    """A listchecker that denies what is listed, unless told otherwise."""

    config_type = DenylistConfig


@hookimpl
def mixer_adapters() -> list[type[Listchecker]]:
    """Offer both adapters at the plugin door."""
    return [Listchecker, Denylist]
