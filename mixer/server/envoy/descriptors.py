"""What descriptors of rate limits and buckets of quotas have in common: a bag, and its quotas."""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns

from attributes import Bag, Timestamp
from mixer.dispatch.preprocess import preprocess
from mixer.errors import Code, RpcError
from mixer.rules.routes import Routes
from mixer.runtime import Snapshot
from mixer.server.envoy.described import Described
from mixer.server.envoy.named import Names

QUOTA = "quota"
"""The key of an entry that names the quota to take from."""


async def bag_of(
    entries: Mapping[str, str], names: Names, reporter: str, snapshot: Snapshot
) -> Bag:
    """The bag of *entries* that come now, generated attributes included. Raises RpcError."""
    named = names.read(snapshot.plan.model.vocabulary, entries)
    bag = Bag(Described(entries, named, reporter, Timestamp(time_ns())))
    if snapshot.routes.generates and (errors := await preprocess(snapshot.routes, bag)):
        raise RpcError(Code.INTERNAL, errors)
    return bag


def quotas_named(routes: Routes, domain: str, entries: Mapping[str, str]) -> frozenset[str]:
    """The quotas to take from: the one *entries* name, that of the domain, or all there are."""
    if QUOTA in entries:
        return frozenset((entries[QUOTA],))
    return frozenset((domain,)) if domain.casefold() in routes.quotas else routes.quotas
