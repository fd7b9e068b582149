// Nobody can tell the answers from Prometheus's: the same data written to both, the same requests, the same JSON.
// The answers of Debian's prometheus are kept in golden/prometheus.json. With the program at hand (PROMETHEUS=path) it
// runs beside, and the kept answers are compared with its own as well; UPDATE_GOLDEN=1 then writes them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import http from 'node:http';
import { ROOT, Sentinel, folderWith, freePorts, temporaryFolder, until } from './lib/sentinel.mjs';
import { V2_TYPE, v1, v2, write } from './lib/remote_write.mjs';

const GOLDEN = path.join(ROOT, 'tests/acceptance/golden/prometheus.json');
const T0 = 1_700_000_000;
const TO = T0 + 600;

// Ten minutes of 15 s samples: counters, gauges, a classic histogram, one series that ends, one with odd labels.
const steps = (f) => Array.from({ length: 41 }, (_, i) => [T0 + 15 * i, f(i)]);
const SERIES = [
  ...['a', 'b', 'c'].flatMap((instance, n) =>
    ['200', '500'].map((code) => ({ labels: { __name__: 'requests_total', instance, code, job: 'api' }, samples: steps((i) => i * (n + 1) * (code === '200' ? 7 : 0.5)) })),
  ),
  ...['0.1', '1', '+Inf'].map((le, n) => ({ labels: { __name__: 'latency_seconds_bucket', job: 'api', le }, samples: steps((i) => i * (n + 1)) })),
  { labels: { __name__: 'temperature', place: 'roof' }, samples: steps((i) => 20 - i / 3) },
  { labels: { __name__: 'temperature', place: 'cellar "deep"\nline' }, samples: steps((i) => (i % 7 === 0 ? NaN : 1e-9 * i)) },
  { labels: { __name__: 'ended', job: 'x' }, samples: steps((i) => i).slice(0, 10) },
  { labels: { __name__: 'huge' }, samples: steps((i) => (i % 2 ? Infinity : 1e300 * (i + 1))) },
];

const at = (query, more = '') => `/api/v1/query?query=${encodeURIComponent(query)}&time=${TO}${more}`;
const range = (query, more = `&start=${T0}&end=${TO}&step=60`) => `/api/v1/query_range?query=${encodeURIComponent(query)}${more}`;
const M = 'match[]=' + encodeURIComponent('{__name__=~"requests_total|temperature|ended|huge|latency_seconds_bucket"}');

// Requests that the two must answer alike.
const SAME = [
  at('requests_total'),
  at('sum by (code) (increase(requests_total[5m]))'),
  at('histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))'),
  at('temperature'),
  at('huge * 1e10'),
  at('1'),
  at('-0.000000123'),
  at('1e21'),
  at('"a string"'),
  at('absent(nothing_here{a="b"})'),
  at('topk(2, requests_total)'),
  at('ended'),
  at('nothing_here'),
  at('temperature offset 1m'),
  at('requests_total @ 1700000300.25'),
  at('label_replace(temperature{place="roof"}, "x", "$1", "place", "(.).*")'),
  at('time()'),
  at('vector(time()) + on() group_left() vector(1)'),
  `/api/v1/query?query=time()&time=2023-11-14T22%3A23%3A20.123Z`,
  `/api/v1/query?query=time()&time=1700000000.5`,
  range('requests_total{instance="b"}'),
  range('sum(requests_total)'),
  range('temperature > 15'),
  range('1'),
  range('ended', `&start=${T0}&end=${TO}&step=1m30s`),
  range('up', `&start=${T0}&end=${TO}&step=1`),
  range('time()', `&start=${T0}.25&end=${T0 + 3}.75&step=0.5`),
  // wrong ones
  at('sum('),
  at('foo{'),
  at('rate(requests_total)'),
  at('1 + "a"'),
  at('requests_total * temperature{'),
  at('unknown_function(1)'),
  at('1', '&timeout=soon'),
  range('1', '&end=5&step=1'),
  range('1', '&start=x&end=5&step=1'),
  range('1', '&start=1&end=y&step=1'),
  range('1', '&start=10&end=5&step=1'),
  range('1', '&start=1&end=5'),
  range('1', '&start=1&end=5&step=0'),
  range('1', '&start=1&end=5&step=-1m'),
  range('1', '&start=1&end=5&step=1e300'),
  range('1', '&start=1&end=50000&step=1'),
  '/api/v1/series',
  '/api/v1/series?match[]=' + encodeURIComponent('{a=~".*"}'),
  '/api/v1/series?match[]=' + encodeURIComponent('{a="'),
  `/api/v1/series?match[]=temperature`,
  `/api/v1/series?match[]=temperature&match[]=ended&start=${T0}&end=${TO}`,
  `/api/v1/series?match[]=ended&start=${T0 + 400}&end=${TO}`,
  `/api/v1/series?match[]=nothing_here`,
  `/api/v1/labels?${M}`,
  `/api/v1/labels?match[]=temperature`,
  `/api/v1/labels?match[]=nothing_here`,
  `/api/v1/label/__name__/values?${M}`,
  `/api/v1/label/code/values`,
  `/api/v1/label/le/values?match[]=latency_seconds_bucket&start=${T0}&end=${TO}`,
  `/api/v1/label/no_such_label/values`,
  '/api/v1/format_query?query=' + encodeURIComponent('sum( rate(foo [5m] )) by(a)  /ignoring (x) group_left bar'),
  '/api/v1/format_query?query=' + encodeURIComponent('sum by (cluster, namespace, job) (rate(some_long_metric_name_total{environment="production", region="eu"}[5m])) / on (cluster) group_left () max by (cluster) (limit{environment="production"})'),
  '/api/v1/format_query?query=' + encodeURIComponent('histogram_quantile(0.9, sum by (le, job, instance, cluster) (rate(some_request_duration_seconds_bucket{job="api", environment="production"}[5m])))'),
  '/api/v1/format_query?query=sum(',
  `/api/v1/query_exemplars?query=temperature&start=9&end=5`,
  `/api/v1/query_exemplars?query=1`,
  `/api/v1/metadata?limit=x`,
  '/api/v1/rules?type=banana',
  '/api/v1/targets/metadata?limit=x',
];

// Where 3.x words it otherwise than Debian's 2.42, or has what that lacks: what 3.x answers.
const bad = (error) => ({ status: 400, body: { status: 'error', errorType: 'bad_data', error } });
const SINCE_3 = [
  [at(''), bad('invalid parameter "query": unknown position: parse error: no expression found in input')],
  [range('requests_total[1m]'), bad('invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector')],
  [range('"s"'), bad('invalid parameter "query": invalid expression type "string" for range query, must be Scalar or instant Vector')],
  [range('sum(('), bad('invalid parameter "query": 1:6: parse error: unclosed left parenthesis')],
  [at('1', '&time=x').replace(`&time=${TO}`, ''), bad(`invalid parameter "time": invalid time value for 'time': cannot parse "x" to a valid timestamp`)],
  ['/api/v1/series?match[]=a&start=x', bad(`invalid parameter "start": invalid time value for 'start': cannot parse "x" to a valid timestamp`)],
  [at('1', '&limit=-1'), bad('invalid parameter "limit": limit must be non-negative')],
  [at('1', '&limit=x'), bad('invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax')],
  [at('1', '&lookback_delta=x'), bad('error parsing lookback delta duration: cannot parse "x" to a valid duration')],
  ['/api/v1/status/tsdb?limit=0', bad('limit must be a positive number')],
  ['/api/v1/rules?group_next_token=x', bad('invalid parameter "group_limit": group_limit needs to be present in order to paginate over the groups')],
  ['/api/v1/rules?group_limit=1&group_next_token=x', bad(`invalid parameter "group_next_token": invalid group_next_token 'x'. were rule groups changed?`)],
  [
    '/api/v1/series?match[]=temperature&limit=1',
    { status: 200, body: { status: 'success', data: [{ __name__: 'temperature', place: 'cellar "deep"\nline' }], warnings: ['results truncated due to limit'] } },
  ],
  [
    '/api/v1/parse_query?query=' + encodeURIComponent('foo{a!="b"}[5m] offset 1m'),
    {
      status: 200,
      body: {
        status: 'success',
        data: {
          anchored: false,
          matchers: [
            { name: 'a', type: '!=', value: 'b' },
            { name: '__name__', type: '=', value: 'foo' },
          ],
          name: 'foo',
          offset: 60000,
          range: 300000,
          smoothed: false,
          startOrEnd: null,
          timestamp: null,
          type: 'matrixSelector',
        },
      },
    },
  ],
];

const RULES = `groups:
  - name: one
    rules:
      - {alert: Hot, expr: "vector(1) > 0", labels: {severity: SEV4}, annotations: {summary: "it is {{ $value }}"}}
      - {record: "a:b", expr: "vector(2)"}
  - name: two
    rules:
      - {record: "c:d", expr: "vector(3)"}
`;
const CONFIG = 'rules: {files: [rules.yml], evaluation_interval: 200ms}\nalertmanager: alertmanager.yml\nprometheus: {admin_api: true, cors_origin: "https?://grafana.*"}\n';
const QUIET = 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n';

let server;
let beside;
before(async () => {
  const folder = folderWith({ 'sentinel.yml': CONFIG, 'rules.yml': RULES, 'alertmanager.yml': QUIET });
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  const taken = await write(server.url, v1(SERIES));
  assert.equal(taken.status, 204, taken.body);
  if (process.env.PROMETHEUS) beside = await startPrometheus(process.env.PROMETHEUS);
});
after(async () => {
  await server?.stop();
  beside?.child.kill('SIGKILL');
});

async function startPrometheus(program) {
  const port = await freePorts();
  const folder = folderWith({ 'prometheus.yml': 'global: {scrape_interval: 1h}\n' });
  const child = spawn(program, [`--config.file=${folder}/prometheus.yml`, '--web.enable-remote-write-receiver', `--storage.tsdb.path=${temporaryFolder()}`, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
  process.on('exit', () => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until('prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { unless: () => (child.exitCode === null ? '' : 'it ended') });
  assert.equal((await write(url, v1(SERIES))).status, 204);
  return { url, child };
}

// Series in whatever order the storage gave them: not part of the contract where the query does not sort.
function normal({ status, body }) {
  const result = body?.data?.result;
  if (Array.isArray(result) && result[0]?.metric) result.sort((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1));
  if (Array.isArray(body?.data) && typeof body.data[0] === 'object') body.data.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  // 3.x says more of what it noticed; and both may answer an error with or without data.
  if (body) for (const key of ['warnings', 'infos']) delete body[key];
  return { status, body };
}
async function ask(url, where, options) {
  const response = await fetch(url + where, options);
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null, text };
}
const form = (where) => {
  const [to, query] = where.split('?');
  return [to, { method: 'POST', body: query, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }];
};

// A target that says what it is told to.
async function exposing(body) {
  const target = { body, type: 'text/plain; version=0.0.4', status: 200, requests: [] };
  const listener = http.createServer((request, response) => {
    target.requests.push({ url: request.url, headers: request.headers });
    response.writeHead(target.status, target.type ? { 'Content-Type': target.type } : {}).end(target.body);
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  target.address = `127.0.0.1:${listener.address().port}`;
  target.close = () => { listener.closeAllConnections?.(); listener.close(); };
  return target;
}

test('serve --config prometheus.yml: scrapes static and file targets, relabels, ends what has gone', async () => {
  const first = await exposing('# TYPE a counter\na_total{x="1"} 5\ndrop_me 1\n');
  const second = await exposing('b 1\n');
  const folder = folderWith({
    'targets.json': JSON.stringify([{ targets: [second.address], labels: { from: 'file' } }]),
    'own.yml': 'groups: [{name: g, rules: [{record: "a:twice", expr: "a_total * 2"}]}]\n',
    'prometheus.yml': `global: {scrape_interval: 300ms, scrape_timeout: 250ms, evaluation_interval: 300ms, external_labels: {region: eu}}
rule_files: [own.yml]
alerting: {alertmanagers: []}
scrape_configs:
- job_name: static
  metrics_path: /m
  params: {p: [v]}
  authorization: {credentials: secret}
  static_configs: [{targets: ["${first.address}"], labels: {env: test}}, {targets: ["127.0.0.1:1"]}, {targets: ["dropped:1"]}]
  relabel_configs: [{source_labels: [__address__], regex: 'dropped.*', action: drop}]
  metric_relabel_configs: [{source_labels: [__name__], regex: 'drop_.*', action: drop}]
- job_name: files
  file_sd_configs: [{files: [targets.json], refresh_interval: 300ms}]
`,
  });
  const scraping = await Sentinel.serve({ args: ['--config', path.join(folder, 'prometheus.yml')] });
  const value = async (query) => (await ask(scraping.url, `/api/v1/query?query=${encodeURIComponent(query)}`)).body.data.result;
  try {
    const [series] = await until('the static target was scraped', async () => { const r = await value('a_total'); return r.length && r; });
    assert.deepEqual(series.metric, { __name__: 'a_total', env: 'test', instance: first.address, job: 'static', x: '1' });
    await until('the file target was scraped', async () => (await value('b{job="files",from="file"}')).length === 1);
    await until('the rule ran', async () => (await value('a:twice'))[0]?.value[1] === '10');
    assert.equal((await value('drop_me')).length, 0);
    await until('the dead target is down', async () => (await value('up{instance="127.0.0.1:1"}'))[0]?.value[1] === '0');
    assert.equal(first.requests[0].url, '/m?p=v');
    assert.equal(first.requests[0].headers.authorization, 'Bearer secret');
    assert.match(first.requests[0].headers.accept, /openmetrics-text/);

    const { data } = (await ask(scraping.url, '/api/v1/targets')).body;
    const healths = Object.fromEntries(data.activeTargets.map((t) => [t.labels.instance, t.health]));
    assert.deepEqual(healths, { [first.address]: 'up', '127.0.0.1:1': 'down', [second.address]: 'up' });
    assert.match(data.activeTargets.find((t) => t.health === 'down').lastError, /./);
    assert.deepEqual(data.droppedTargetCounts, { files: 0, static: 1 });
    assert.equal(data.droppedTargets[0].discoveredLabels.__address__, 'dropped:1');
    assert.deepEqual((await ask(scraping.url, '/api/v1/scrape_pools')).body.data, { scrapePools: ['files', 'static'] });
    assert.deepEqual((await ask(scraping.url, '/api/v1/targets/metadata?metric=a')).body.data.map(({ type }) => type), ['counter']);

    first.body = 'other 1\n';
    await until('a series that vanished has ended', async () => (await value('other')).length === 1 && (await value('a_total')).length === 0);
    first.status = 500;
    await until('a failing target is down and its series have ended', async () => (await value(`up{instance="${first.address}"}`))[0]?.value[1] === '0' && (await value('other')).length === 0);
    writeFileSync(path.join(folder, 'targets.json'), '[]');
    await until('a target that left the file has ended', async () => (await value('{job="files"}')).length === 0);
    assert.match(await (await fetch(`${scraping.url}/federate?match[]=up`)).text(), /region="eu"/);
  } finally {
    await scraping.stop();
    first.close();
    second.close();
  }
});

const golden = process.env.UPDATE_GOLDEN ? {} : JSON.parse(readFileSync(GOLDEN, 'utf8'));
for (const where of SAME) {
  test(`as Prometheus: ${decodeURIComponent(where).slice(0, 150)}`, async () => {
    if (beside) {
      const theirs = normal(await ask(beside.url, where));
      if (process.env.UPDATE_GOLDEN) golden[where] = theirs;
      assert.deepEqual(theirs, golden[where], 'what is kept is not what it answers');
    }
    assert.deepEqual(normal(await ask(server.url, where)), golden[where]);
    if (/query|series|labels\?/.test(where) && where.includes('?')) assert.deepEqual(normal(await ask(server.url, ...form(where))), golden[where], 'as a form');
  });
}
test('the kept answers are kept', () => {
  if (process.env.UPDATE_GOLDEN) writeFileSync(GOLDEN, JSON.stringify(golden, null, 1) + '\n');
  assert.deepEqual(Object.keys(golden).sort(), [...SAME].sort());
});

for (const [where, expected] of SINCE_3) {
  test(`as Prometheus 3: ${decodeURIComponent(where).slice(0, 150)}`, async () => {
    const { status, body } = await ask(server.url, where);
    assert.deepEqual({ status, body }, expected);
  });
}

test('statistics, a limit and a lookback of the query’s own', async () => {
  const { body } = await ask(server.url, at('requests_total', '&stats=all&limit=2'));
  assert.equal(body.data.result.length, 2);
  assert.deepEqual(body.warnings, ['results truncated due to limit']);
  assert.ok(body.data.stats.samples.totalQueryableSamples > 0);
  const later = `/api/v1/query?query=temperature&time=${TO + 60}`;
  assert.equal((await ask(server.url, later)).body.data.result.length, 2);
  assert.equal((await ask(server.url, `${later}&lookback_delta=30s`)).body.data.result.length, 0);
});

test('answers are compressed for who takes it, and open to the configured origins only', async () => {
  const raw = await new Promise((done, failed) => {
    http.get(server.url + range('requests_total', `&start=${T0}&end=${TO}&step=15`), { headers: { 'Accept-Encoding': 'gzip', Origin: 'https://grafana.example' } }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece)).on('end', () => done({ headers: response.headers, body: Buffer.concat(pieces) }));
    }).on('error', failed);
  });
  assert.equal(raw.headers['content-encoding'], 'gzip');
  assert.equal(raw.headers['access-control-allow-origin'], 'https://grafana.example');
  assert.equal(JSON.parse(gunzipSync(raw.body)).data.result.length, 6);
  const other = await fetch(server.url + at('1'), { headers: { Origin: 'https://evil.example' } });
  assert.equal(other.headers.get('access-control-allow-origin'), null);
});

test('rules: filters, pages, alerts', async () => {
  const rules = await until('the rules were evaluated', async () => {
    const { body } = await ask(server.url, '/api/v1/rules');
    return body.data.groups[0].rules[0].state === 'firing' && body.data.groups;
  });
  assert.deepEqual(rules.map((group) => group.name), ['one', 'two']);
  assert.deepEqual(Object.keys(rules[0].rules[0]), ['state', 'name', 'query', 'duration', 'keepFiringFor', 'labels', 'annotations', 'alerts', 'health', 'evaluationTime', 'lastEvaluation', 'type']);
  assert.equal(rules[0].rules[0].alerts[0].value, '1e+00');
  assert.deepEqual(Object.keys(rules[0].rules[1]), ['name', 'query', 'health', 'evaluationTime', 'lastEvaluation', 'type']);
  const names = async (query) => (await ask(server.url, `/api/v1/rules?${query}`)).body.data.groups.flatMap((group) => group.rules.map((rule) => rule.name));
  assert.deepEqual(await names('type=alert'), ['Hot']);
  assert.deepEqual(await names('type=record'), ['a:b', 'c:d']);
  assert.deepEqual(await names('rule_name[]=c:d'), ['c:d']);
  assert.deepEqual(await names('rule_group[]=two'), ['c:d']);
  assert.deepEqual(await names(`match[]=${encodeURIComponent('{severity="SEV4"}')}`), ['Hot']);
  assert.equal((await ask(server.url, '/api/v1/rules?exclude_alerts=true')).body.data.groups[0].rules[0].alerts.length, 0);
  const first = (await ask(server.url, '/api/v1/rules?group_limit=1')).body.data;
  assert.deepEqual(first.groups.map((group) => group.name), ['one']);
  const second = (await ask(server.url, `/api/v1/rules?group_limit=1&group_next_token=${first.groupNextToken}`)).body.data;
  assert.deepEqual(second.groups.map((group) => group.name), ['two']);
  assert.equal(second.groupNextToken, undefined);
  const { alerts } = (await ask(server.url, '/api/v1/alerts')).body.data;
  assert.deepEqual(alerts.map(({ labels, state, annotations }) => ({ labels, state, annotations })), [
    { labels: { alertname: 'Hot', severity: 'SEV4' }, state: 'firing', annotations: { summary: 'it is 1' } },
  ]);
});

test('remote write 2.0 says what it wrote, and names what it could not', async () => {
  const now = Math.floor(Date.now() / 1000);
  const good = { labels: { __name__: 'written_total', x: 'y' }, samples: [[now, 1]], help: 'Things written.' };
  const answer = await write(server.url, v2([good, { labels: { x: 'nameless' }, samples: [[now, 1]] }]), { type: V2_TYPE });
  assert.equal(answer.status, 400);
  assert.equal(answer.body, 'invalid metric name or labels, got {x="nameless"}\n');
  assert.equal(answer.headers.get('x-prometheus-remote-write-samples-written'), '1');
  assert.equal(answer.headers.get('x-prometheus-remote-write-histograms-written'), '0');
  const { body } = await ask(server.url, '/api/v1/query?query=written_total');
  assert.deepEqual(body.data.result[0].metric, { __name__: 'written_total', x: 'y' });
  const { data } = (await ask(server.url, '/api/v1/metadata?metric=written_total')).body;
  assert.deepEqual(data, { written_total: [{ type: 'counter', help: 'Things written.', unit: '' }] });
  assert.equal((await write(server.url, v1([]), { type: 'application/json' })).status, 415);
  assert.equal((await write(server.url, v1([]), { encoding: 'zstd' })).status, 415);
});

test('exemplars come back by their query', async () => {
  const now = Math.floor(Date.now() / 1000);
  const series = { labels: { __name__: 'traced', a: 'b' }, samples: [[now, 1]], exemplars: [{ labels: { trace_id: 't1' }, seconds: now + 0.5, value: 0.25 }] };
  const answer = await write(server.url, v2([series]), { type: V2_TYPE });
  assert.equal(answer.status, 204, answer.body);
  assert.equal(answer.headers.get('x-prometheus-remote-write-exemplars-written'), '1');
  const { body } = await ask(server.url, `/api/v1/query_exemplars?query=rate(traced[5m])&start=${now}&end=${now + 10}`);
  assert.deepEqual(body.data, [{ seriesLabels: { __name__: 'traced', a: 'b' }, exemplars: [{ labels: { trace_id: 't1' }, value: '0.25', timestamp: now + 0.5 }] }]);
});

test('series are deleted and snapshots made where the configuration allows it', async () => {
  assert.equal((await write(server.url, v1([{ labels: { __name__: 'unwanted' }, samples: [[Math.floor(Date.now() / 1000), 1]] }]))).status, 204);
  const there = async () => (await ask(server.url, '/api/v1/query?query=unwanted')).body.data.result.length;
  assert.equal(await there(), 1);
  assert.deepEqual((await ask(server.url, '/api/v1/admin/tsdb/delete_series', { method: 'POST' })).body.error, 'no match[] parameter provided');
  assert.equal((await ask(server.url, '/api/v1/admin/tsdb/delete_series?match[]=unwanted', { method: 'POST' })).status, 204);
  assert.equal(await there(), 0);
  assert.equal((await ask(server.url, '/api/v1/admin/tsdb/clean_tombstones', { method: 'PUT' })).status, 204);
  assert.match((await ask(server.url, '/api/v1/admin/tsdb/snapshot', { method: 'POST' })).body.data.name, /./);
  assert.match((await ask(server.url, '/api/v1/admin/tsdb/snapshot?skip_head=x', { method: 'POST' })).body.error, /^invalid parameter "skip_head": unable to parse boolean: /);
});

test('/federate gives the newest samples as text', async () => {
  const now = Math.floor(Date.now() / 1000);
  assert.equal((await write(server.url, v1([{ labels: { __name__: 'fed', a: 'q"' }, samples: [[now - 5, 2.5]] }]))).status, 204);
  const response = await fetch(`${server.url}/federate?match[]=fed&match[]=${encodeURIComponent('{__name__="nothing"}')}`);
  assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  assert.equal(await response.text(), `# TYPE fed untyped\nfed{a="q\\"",instance=""} 2.5 ${(now - 5) * 1000}\n`);
  assert.equal((await fetch(`${server.url}/federate?match[]=${encodeURIComponent('{')}`)).status, 400);
});

test('the status pages have their fields', async () => {
  const data = async (name) => (await ask(server.url, `/api/v1/${name}`)).body.data;
  assert.ok((await data('status/config')).yaml.includes('rule_files:'));
  assert.equal((await data('status/flags'))['web.enable-admin-api'], 'true');
  assert.ok((await data('status/runtimeinfo')).startTime);
  assert.match((await data('status/buildinfo')).version, /^3\./);
  assert.ok('headStats' in (await data('status/tsdb')));
  assert.deepEqual(Object.keys(await data('targets')), ['activeTargets', 'droppedTargets', 'droppedTargetCounts']);
  assert.deepEqual(await data('scrape_pools'), { scrapePools: [] });
  assert.equal((await data('alertmanagers')).activeAlertmanagers.length, 1);
  const response = await fetch(`${server.url}/api/v1/query`, { method: 'OPTIONS' });
  assert.equal(response.status, 204);
});
