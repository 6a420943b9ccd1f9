"""statsd behind a mixer: bags that are evaluated once leave the daemon with the same figures."""

from __future__ import annotations

import random
import socket
from collections import Counter

import pytest

from mixer._pb import mixer_pb2 as pb
from tests.property.mixers import run

RULES = """
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {{name: bags, namespace: istio-system}}
spec:
  attributes:
    to: {{valueType: STRING}}
    size: {{valueType: INT64}}
    took: {{valueType: DURATION}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: statsd, namespace: istio-system}}
spec:
  compiledAdapter: statsd
  params:
    address: 127.0.0.1:{port}
    metrics:
      hits: {{type: COUNTER, nameTemplate: 'hits.{{{{.to}}}}'}}
      size: {{type: COUNTER, nameTemplate: size}}
      last: {{type: GAUGE, nameTemplate: last}}
      took: {{type: DISTRIBUTION, nameTemplate: 'took.{{{{.to}}}}'}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: hits, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: "1", dimensions: {{to: to | "unknown"}}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: size, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: size | 0}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: last, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: size | 0}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: took, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: 'took | "0ms"', dimensions: {{to: to | "unknown"}}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: to-statsd, namespace: istio-system}}
spec:
  actions: [{{handler: statsd, instances: [hits, size, last, took]}}]
"""
WORDS = ["to", "size", "took", "a", "b", "größe"]


def a_report(chance: random.Random, bags: int) -> bytes:
    """Bags of few kinds, some of which can't be folded as what they measure is below zero."""
    request = pb.ReportRequest(default_words=WORDS)
    for _ in range(bags):
        bag = request.attributes.add()
        if chance.random() < 0.8:
            bag.strings[-1] = -chance.choice([4, 5, 6])
        if chance.random() < 0.8:
            bag.int64s[-2] = chance.choice([-5, 0, 3, 1 << 40, chance.randrange(1000)])
        if chance.random() < 0.8:
            bag.durations[-3].FromNanoseconds(chance.choice([-1000, 0, 12_345_678]))
    return request.SerializeToString()


@pytest.mark.parametrize("seed", range(10))
async def test_the_daemon_is_told_the_same_however_bags_are_evaluated(seed: int) -> None:
    raw = a_report(random.Random(seed), 60)
    figures, packets = [], []
    for fused in (True, False):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            daemon.bind(("127.0.0.1", 0))
            daemon.setblocking(False)
            rules = RULES.format(port=daemon.getsockname()[1])
            outcome = await run(rules, [("report", raw)], fused)
            assert isinstance(outcome.answers[0], bytes), outcome.answers
            sent = []
            while True:
                try:
                    sent.append(daemon.recv(65536).decode())
                except BlockingIOError:
                    break
        figures.append(Counter("\n".join(sent).split("\n")))
        packets.append(len(sent))
    assert figures[0] == figures[1]
    assert sum(count for line, count in figures[0].items() if line.endswith("|ms")) == 60
    assert packets[0] == packets[1]
