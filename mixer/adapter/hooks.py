"""The plugin door, called at start-up, never per request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from mixer.adapter.base import Adapter

hookspec = pluggy.HookspecMarker("mixer")
hookimpl = pluggy.HookimplMarker("mixer")


@hookspec
def mixer_adapters() -> Iterable[type[Adapter[Any]]]:  # type: ignore[empty-body]
    """Return the adapter classes this plugin provides."""
