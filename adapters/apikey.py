"""
Knows who has which API key, and by which plan.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: keys}
    spec:
      adapter: apikey
      params:
        keys:
        - hash: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          consumer: acme
          plan: gold
          expires: "2030-01-01T00:00:00Z"
          apis: [orders, "billing:read*"]
          attributes: {team: web}

Instances of the template apikey are allowed where the key is known, in force, and may use the API;
those of apikeyowner find the consumer, the plan and the attributes, for rules and quotas. The same
list may stand in a file, which is read again when it changes.

Keys are kept as hashes only. A fast hash will do, since keys are to be made by chance, 32 bytes of
it, where no dictionary helps; and looking up a hash takes as long whether it is nearly right or
not::

    openssl rand -hex 32 | tee key.txt | tr -d '\\n' | sha256sum
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from mixer.adapter import (
    Adapter,
    ApiKey,
    Checks,
    Code,
    Config,
    Duration,
    Env,
    FieldProblem,
    Generates,
    Instance,
    Output,
    Shape,
    Timestamp,
    Variety,
    Verdict,
    hookimpl,
)
from mixer.adapter.files import BadFile, Followed, listed

USES = 10_000
_HASH = re.compile("sha256:[0-9a-f]{64}")
_SECOND = 1_000_000_000


class ApiKeyOwnerOutput(Output, frozen=True):
    """Who a key belongs to; nothing but ``valid`` is set where it is not in force."""

    valid: bool | None = None
    """Whether the key is known and in force."""

    consumer: str | None = None
    """Who has it."""

    plan: str | None = None
    """The plan of it."""

    attributes: dict[str, str] | None = None
    """What else is known of it."""


class ApiKeyOwner(Instance, frozen=True, gc=False):
    """A key whose owner is to be found."""

    template = "apikeyowner"
    variety = Variety.ATTRIBUTE_GENERATOR
    output = ApiKeyOwnerOutput

    api_key: str = ""
    """The key as the client sent it."""


class Key(Config, frozen=True):
    """One key."""

    hash: str
    """``sha256:`` and the hash of the key, 64 small hexadecimal digits. Never the key itself."""

    consumer: str
    """Who has it. Several keys may be of one consumer, so that one can be exchanged."""

    plan: str = ""
    """The plan of it, such as gold."""

    expires: str = ""
    """From when on it is not in force, such as 2030-01-01T00:00:00Z; empty means never."""

    disabled: bool = False
    """True: it is not in force."""

    apis: tuple[str, ...] = ()
    """What it may be used for: APIs, or API:OPERATION, each possibly with a ``*`` at its end.
    Empty means all."""

    attributes: dict[str, str] = {}
    """What else is known of it."""


class ApikeyConfig(Config, frozen=True):
    """Params of apikey."""

    keys: tuple[Key, ...] = ()
    """All keys there are, or more than stand in the file."""

    file: str = ""
    """A YAML file with `keys:` and a list of them, in the same words."""

    refresh_interval: Duration = Duration.of(5)
    """How often to look whether the file changed."""

    caching_interval: Duration = Duration.of(60)
    """How long a sidecar may keep that a key is allowed, and so go on after it was taken away."""


class Owner(NamedTuple):
    """What a hash stands for."""

    key: Key
    until: int
    """Nanoseconds since 1970, 0 for always."""

    found: ApiKeyOwnerOutput


class Apikey(
    Adapter[ApikeyConfig],
    Checks[ApiKey],
    Generates[ApiKeyOwner, ApiKeyOwnerOutput],
    name="apikey",
):
    """
    Looks up keys in a list.

    A file that can't be read, or is wrong, keeps the handler from opening; later it leaves the
    list as it was, and is logged.
    """

    def __init__(self, config: ApikeyConfig, env: Env) -> None:
        super().__init__(config, env)
        self._owners: Mapping[str, Owner] = _owners(config.keys)
        self._file = Followed(config.file, config.refresh_interval, _read, self._take, env)

    @classmethod
    def problems(cls, config: ApikeyConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find keys that are no hashes, dates that are none, and keys that are listed twice."""
        for field, reason, hint in _faults(config.keys):
            yield FieldProblem(field, reason, hint)
        if config.refresh_interval <= 0:
            reason = f"'{config.refresh_interval}' is not more than 0"
            yield FieldProblem("refresh_interval", reason)
        if config.caching_interval < 0:
            reason = f"'{config.caching_interval}' is less than 0"
            yield FieldProblem("caching_interval", reason)

    async def open(self) -> None:
        """Read the file, if there is one. Raises OSError and `BadFile`."""
        await self._file.open()

    async def close(self) -> None:
        """Follow the file no more."""
        await self._file.close()

    async def refresh(self) -> None:
        """Read the file again, if it changed."""
        await self._file.refresh()

    def check(self, instance: ApiKey, /) -> Verdict:
        """Decide whether the key may be used for the API."""
        if not instance.api_key:
            return Verdict.deny("an API key is required", code=Code.UNAUTHENTICATED)
        owner = self._owner(instance.api_key)
        if owner is None:
            return Verdict.deny("the API key is not valid", code=Code.UNAUTHENTICATED)
        if not _allows(owner.key.apis, instance.api, instance.api_operation):
            return Verdict.deny(f"the API key is not for {instance.api or 'this API'}")
        valid_for = self.config.caching_interval.seconds
        if owner.until:
            valid_for = min(valid_for, (owner.until - self.env.now()) / _SECOND)
        return Verdict(Code.OK, "", valid_for, USES)

    def generate(self, instance: ApiKeyOwner, /) -> ApiKeyOwnerOutput:
        """Tell who has the key."""
        owner = self._owner(instance.api_key) if instance.api_key else None
        return _NOBODY if owner is None else owner.found

    def _owner(self, key: str) -> Owner | None:
        """Whose *key* it is, if it is in force."""
        digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        owner = self._owners.get(digest)
        if owner is None or owner.key.disabled:
            return None
        return None if owner.until and self.env.now() >= owner.until else owner

    def _take(self, keys: Sequence[Key]) -> None:
        self._owners = _owners([*self.config.keys, *keys])


_NOBODY = ApiKeyOwnerOutput(valid=False)


def _owners(keys: Iterable[Key]) -> Mapping[str, Owner]:
    return {
        key.hash.removeprefix("sha256:"): Owner(
            key,
            int(Timestamp.parse(key.expires)) if key.expires else 0,
            ApiKeyOwnerOutput(
                valid=True,
                consumer=key.consumer,
                plan=key.plan or None,
                attributes=dict(key.attributes),
            ),
        )
        for key in keys
        if _HASH.fullmatch(key.hash)  # others are told as problems
    }


def _allows(apis: Sequence[str], api: str, operation: str) -> bool:
    if not apis:
        return True
    asked = f"{api}:{operation}"
    return any(
        asked.startswith(one[:-1]) if one.endswith("*") else one in (api, asked) for one in apis
    )


def _faults(keys: Sequence[Key]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with *keys*: where, why, and what to do. Keys themselves are never told."""
    seen: dict[str, int] = {}
    for number, key in enumerate(keys):
        at = f"keys[{number}]"
        if not _HASH.fullmatch(key.hash):
            reason = "is not 'sha256:' and 64 small hexadecimal digits"
            yield f"{at}.hash", reason, "hash the key: printf %s KEY | sha256sum"
        elif seen.setdefault(key.hash, number) != number:
            yield f"{at}.hash", f"is that of keys[{seen[key.hash]}] too", "remove one of them"
        if not key.consumer:
            yield f"{at}.consumer", "is empty", "say who has the key"
        if key.expires:
            try:
                Timestamp.parse(key.expires)
            except ValueError as error:
                yield f"{at}.expires", str(error), "write it like 2030-01-01T00:00:00Z"


def _read(file: Path) -> Sequence[Key]:
    """The keys of a *file*; blocks. Raises OSError and `BadFile`."""
    found = listed(file, "keys", Key)
    for where, reason, hint in _faults(found):
        raise BadFile(f"{file}: {where}: {reason} ({hint})")
    return found


@hookimpl
def mixer_adapters() -> list[type[Apikey]]:
    """Offer the adapter at the plugin door."""
    return [Apikey]
