"""CPU per request of the real server, against a baseline; run with ``make bench``."""
