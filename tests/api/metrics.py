"""Reads Prometheus's text form with Prometheus's own parser, and says what it has found as JSON."""

import json
import sys

from prometheus_client.parser import text_fd_to_metric_families

found = {}
for family in text_fd_to_metric_families(sys.stdin):
    samples = [{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in family.samples]
    found[family.name] = {"type": family.type, "samples": samples}
json.dump(found, sys.stdout)
