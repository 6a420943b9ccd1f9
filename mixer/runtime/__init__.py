"""From configuration on disk to routes in force, again on every change."""

from mixer.runtime.options import Options
from mixer.runtime.plan import Plan
from mixer.runtime.runtime import Runtime, validate
from mixer.runtime.snapshot import Snapshot

__all__ = ["Options", "Plan", "Runtime", "Snapshot", "validate"]
