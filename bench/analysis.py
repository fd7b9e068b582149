#!/usr/bin/env python3
"""One JSON line a detector and size, of Google Benchmark's report: microseconds of a call, CPU time unless it says
wall."""

import json
import sys

for figure in json.load(sys.stdin)["benchmarks"]:
    detector, size = figure["name"].split("/")[:2]
    line = {"bench": "analysis", "detector": detector, "bytes": int(size)}
    for name in ("p50_us", "p99_us", "wall_p99_us"):
        line[name] = round(figure[name], 1)
    print(json.dumps(line))
