#!/usr/bin/env python3
"""Alerts in, filtered GET, groups and first webhook, beside Debian's prometheus-alertmanager in one run.

    alertmanager.py SENTINEL FOLDER [ALERTS]

Data: ALERTS (100,000) alerts of 200 rules on 1,000 hosts with 8 labels and 2 annotations each, sent in bodies of
1,000; 20 inhibition rules and 20 silences of which none matches. Prints one JSON line a figure: CPU time is the
server's own (/proc/PID/stat), so that other work on the machine does not count.
"""
import http.client
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def alerts(count):
    for i in range(count):
        yield {
            "labels": {"alertname": f"Rule{i % 200}", "host": f"host-{i // 100}", "id": str(i),
                       "severity": ["critical", "warning", "info"][i % 3], "team": f"team-{i % 20}",
                       "region": f"region-{i % 5}", "service": f"service-{i % 50}", "job": "node"},
            "annotations": {"summary": f"Rule {i % 200} fires on host {i // 100}",
                            "description": "The value is above its threshold for 5 minutes."},
            "startsAt": "2026-01-01T00:00:00.000Z", "endsAt": "2036-01-01T00:00:00.000Z",
            "generatorURL": "http://prometheus/graph?g0.expr=up"}


def config(port):
    inhibit = "".join(f"  - {{source_matchers: ['alertname=Source{i}'], target_matchers: ['team=team-{i}'],"
                      f" equal: [host]}}\n" for i in range(20))
    return (f"route: {{receiver: none, group_by: [alertname], group_wait: 1s, group_interval: 1h,\n"
            f"  routes: [{{matchers: ['first=\"yes\"'], receiver: hook, group_wait: 0s, group_by: ['...']}}]}}\n"
            f"receivers:\n  - name: none\n  - {{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{port}/'}}]}}\n"
            f"inhibit_rules:\n{inhibit}")


class Hook(http.server.BaseHTTPRequestHandler):
    arrived = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Hook.at = time.monotonic()
        Hook.arrived.set()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    def __init__(self, name, command, folder, port, hook_port):
        self.name, self.port = name, port
        os.makedirs(folder)
        with open(f"{folder}/alertmanager.yml", "w") as f:
            f.write(config(hook_port))
        self.log = open(f"{folder}/log", "w")
        flags = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data", "--log.level=error",
                 f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        self.process = subprocess.Popen(command + flags, stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                if self.request("GET", "/-/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{name} does not start: see {folder}/log")

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, {} if body is None else {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def post_all(self, bodies):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for body in bodies:
            connection.request("POST", "/api/v2/alerts", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024


def measure(server, bodies, count):
    def show(**fields):
        print(json.dumps({"bench": "alertmanager", "server": server.name, **fields}), flush=True)

    for i in range(20):
        body = json.dumps({"matchers": [{"name": "silenced", "value": f"s{i}", "isRegex": False}],
                           "createdBy": "bench", "comment": "bench",
                           "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2036-01-01T00:00:00Z"})
        assert server.request("POST", "/api/v2/silences", body)[0] == 200
    for what in ("new", "refreshed", "refreshed again"):
        cpu, start = server.cpu(), time.monotonic()
        server.post_all(bodies)
        used, wall = server.cpu() - cpu, time.monotonic() - start
        show(what=f"alerts in, {what}", alerts=count, per_cpu_second=round(count / max(used, 0.01)),
             per_second=round(count / wall))
        time.sleep(2)  # the groups are flushed
    status, body = server.request("GET", "/api/v2/alerts?filter=id%3D%22777%22")
    assert status == 200 and len(json.loads(body)) == 1
    questions = (("filtered GET, 1 alert", "alerts?filter=id%3D%2277%22", 50),
                 ("filtered GET, 100 alerts", "alerts?filter=host%3D%22host-7%22", 50),
                 ("filtered GET, regexp, 200 alerts", "alerts?filter=host%3D~%22host-1%5B12%5D%22", 20),
                 ("groups of one rule, 500 alerts", "alerts/groups?filter=alertname%3D%22Rule7%22", 10),
                 ("GET of all", "alerts", 2))
    for what, path, runs in questions:
        times, cpu = [], server.cpu()
        for _ in range(runs):
            start = time.monotonic()
            status, body = server.request("GET", "/api/v2/" + path)
            times.append((time.monotonic() - start) * 1000)
            assert status == 200 and len(body) > 2
        times.sort()
        show(what=what, p50_ms=round(times[len(times) // 2], 2), max_ms=round(times[-1], 2),
             cpu_ms=round((server.cpu() - cpu) / runs * 1000, 2), bytes=len(body))
    times = []
    for i in range(5):
        Hook.arrived.clear()
        start = time.monotonic()
        server.post_all([json.dumps([{"labels": {"alertname": "First", "first": "yes", "n": str(i)}}])])
        assert Hook.arrived.wait(20), "no webhook"
        times.append((Hook.at - start) * 1000)
    times.sort()
    show(what="first webhook, group_wait 0", p50_ms=round(times[2], 2), max_ms=round(times[-1], 2))
    show(what="resident memory", mb=server.rss_mb())


def main():
    sentinel, folder = sys.argv[1], tempfile.mkdtemp(dir=sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    base = int(os.environ.get("BENCH_PORT", "27400"))
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", base), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    all_alerts = list(alerts(count))
    bodies = [json.dumps(all_alerts[i:i + 1000]) for i in range(0, count, 1000)]
    servers = [("sentinel", [sentinel, "alertmanager"])]
    if subprocess.run(["which", "prometheus-alertmanager"], capture_output=True).returncode == 0:
        servers.append(("prometheus-alertmanager", ["prometheus-alertmanager"]))
    for i, (name, command) in enumerate(servers):
        server = Server(name, command, f"{folder}/{name}", base + 1 + i, base)
        try:
            measure(server, bodies, count)
        finally:
            server.process.terminate()
            server.process.wait(30)


if __name__ == "__main__":
    main()
