"""The services that today's Envoy asks and tells, by the same rules as Mixer's own."""
