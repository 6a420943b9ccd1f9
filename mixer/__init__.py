"""Mixer: answers sidecars before a call (Check) and records it afterwards (Report)."""
