"""
The services that today's Envoy asks and tells, by the same rules as Mixer's own.

========================  ===========================================================
service                   modules, from the call inwards
========================  ===========================================================
ext_authz                 authorization; asked (attributes), answers
  over plain HTTP/1.1     plain, which translates for authorization
access logs               accesslogs; logged (attributes), outcomes, sights (folding)
  as log records of OTLP  records; described (attributes)
rate limits               ratelimit; descriptors, described (attributes)
rate limit quotas         assignments; descriptors, leases (of one bucket), shares
========================  ===========================================================

All attributes: source (how they are read), named (given by name), identities.
"""
