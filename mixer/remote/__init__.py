"""Adapters in other processes: what is sent, who asks, who answers (spec: out-of-process)."""
