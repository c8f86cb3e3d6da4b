// The service: its configuration, its pages, how it ends, TLS.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EncodedFileOutput, EncodedFileType } from 'livekit-server-sdk';
import { freePort } from '../harness/livekit.mjs';
import { probe } from '../harness/media.mjs';
import { Scene } from '../harness/scene.mjs';
import { Hooks, Service, STATUS } from '../harness/service.mjs';
import { pythonProgram } from '../harness/python.mjs';
import { Minio } from '../harness/stores.mjs';
import { Worker } from '../harness/studio.mjs';
import { sleep, until } from '../harness/wait.mjs';

const run = promisify(execFile);
const METRICS = fileURLToPath(new URL('./metrics.py', import.meta.url));
const file = (filepath) => ({ file: new EncodedFileOutput({ filepath, fileType: EncodedFileType.OGG }) });

async function recording(t, config) {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const service = await Service.start(scene, { config });
  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', file('show.ogg'));
  await service.reaches(egressId, 'ACTIVE');
  await sleep(1500);
  return { scene, service, egressId };
}

test('SIGTERM: nothing new is taken, and what runs goes on to its end', { timeout: 120_000 }, async (t) => {
  const { scene, service, egressId } = await recording(t);
  service.worker.child.kill('SIGTERM');
  await service.worker.says(/nothing new is taken/);
  await assert.rejects(service.egress.startParticipantEgress(scene.room, 'person-1', file('b.ogg')), {
    status: 503,
    code: 'unavailable',
    message: 'server is shutting down',
  });
  await sleep(2000);
  assert.equal(service.worker.exit, undefined, 'it waits');
  assert.equal(STATUS[(await service.info(egressId)).status], 'ACTIVE');
  await service.egress.stopEgress(egressId);
  assert.deepEqual(await service.worker.ended(), { code: 0, signal: null }, service.log);
  assert.ok((await probe(join(scene.folder, 'show.ogg'))).durationS > 3);
});

test('SIGINT: what runs is finished, its end is told, and it ends', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const hooks = await Hooks.start(scene);
  const service = await Service.start(scene, { config: { webhook: { urls: [hooks.url] } } });
  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', file('show.ogg'));
  await service.reaches(egressId, 'ACTIVE');
  await sleep(1500);
  service.worker.child.kill('SIGINT');
  assert.deepEqual(await service.worker.ended(), { code: 0, signal: null }, service.log);
  assert.ok((await probe(join(scene.folder, 'show.ogg'))).durationS > 1);
  assert.equal(hooks.of(egressId).at(-1), 'egress_ended');
});

test('killed, the next start has what was recorded, and knows what it was', { timeout: 120_000 }, async (t) => {
  const { scene, service, egressId } = await recording(t);
  service.worker.child.kill('SIGKILL');
  await service.worker.ended();
  const next = await Service.start(scene, { home: service.home });
  const info = await next.info(egressId);
  assert.equal(STATUS[info.status], 'ACTIVE', 'the job went on without its service');
  assert.equal(info.request.case, 'participant');
  await sleep(1500);
  await next.finish(egressId);
  assert.ok((await probe(join(scene.folder, 'show.ogg'))).durationS > 2);
});

/** The metrics, read by Prometheus's own parser: `{name: {type, samples: [{name, labels, value}]}}`. */
async function metricsAt(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const reader = execFile(await pythonProgram(), [METRICS]);
  reader.stdin.end(text);
  const parts = [];
  for await (const part of reader.stdout) parts.push(part);
  return JSON.parse(parts.join(''));
}

/** The labels that every sample has, but for those of a histogram's buckets. */
function labelsOf(samples) {
  const all = new Set(samples.map(({ labels }) => Object.keys(labels).filter((label) => label !== 'le').sort().join()));
  assert.ok(all.size <= 1, [...all].join(' and '));
  return [...all].flatMap((labels) => labels.split(','));
}

test('health and metrics: names, labels and types are LiveKit\'s', { timeout: 120_000 }, async (t) => {
  const [health_port, prometheus_port] = [await freePort(), await freePort()];
  const minio = await Minio.start();
  t.after(() => minio.stop());
  const s3 = { access_key: minio.key, secret: minio.secret, endpoint: minio.url, bucket: minio.bucket, region: 'us-east-1', force_path_style: true };
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  // So little that any use is too much.
  const cpu_cost = { max_cpu_utilization: 0.001 };
  const service = await Service.start(scene, { config: { health_port, prometheus_port, cluster_id: 'a "cluster"', storage: { s3 }, cpu_cost } });
  const page = async (path) => (await fetch(`http://127.0.0.1:${health_port}${path}`)).json();
  // Whatever path a probe asks for.
  for (const path of ['/', '/healthz']) {
    const idle = await page(path);
    assert.deepEqual(Object.keys(idle), ['CpuLoad']);
    assert.ok(idle.CpuLoad >= 1, `all cores: ${idle.CpuLoad}`);
  }
  assert.deepEqual([(await page('/status')).bus, (await page('/status')).running], [null, 0]);

  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', file('show.ogg'));
  await service.reaches(egressId, 'ACTIVE');
  const busy = await page('/');
  assert.deepEqual(Object.keys(busy).sort(), ['CpuLoad', egressId].sort());
  assert.equal(busy[egressId].participant.identity, 'person-1');
  const running = await until('figures', async () => {
    const now = await metricsAt(prometheus_port);
    // What is written first may still be on its way to the disk.
    return now.tallylight_output_bytes?.samples.some(({ value }) => value > 0) && now.livekit_load_ratio.samples[0].value > 1 && now;
  });
  const has = (labels, wanted) => Object.entries(wanted).every(([key, value]) => labels[key] === value);
  const value = (name, labels = {}) => running[name].samples.find((sample) => has(sample.labels, labels)).value;
  assert.equal(value('livekit_egress_available'), 0);
  assert.equal(value('livekit_egress_requests', { type: 'participant' }), 1);
  assert.ok(value('tallylight_output_bytes', { egress_id: egressId, output: 'file' }) > 0);

  await service.finish(egressId);
  const now = await until('it is counted', async () => {
    const found = await metricsAt(prometheus_port);
    return found.livekit_egress_handler_results.samples.length && found.livekit_egress_pipeline_uploads.samples.length >= 2 && found;
  });
  const livekits = Object.entries(now).filter(([name]) => name.startsWith('livekit_'));
  const found = Object.fromEntries(livekits.map(([name, { type, samples }]) => [name, [type, labelsOf(samples)]]));
  const node = ['cluster_id', 'node_id'];
  const gauge = (...labels) => ['gauge', [...labels, ...node].sort()];
  const upload = ['custom_endpoint', 'status', 'type', ...node].sort();
  // As pkg/stats of LiveKit Egress has them. Prometheus's parser takes `_total` off the names of counters.
  assert.deepEqual(found, {
    livekit_egress_available: gauge(),
    livekit_egress_can_accept_request: gauge(),
    livekit_egress_is_disabled: gauge(),
    livekit_egress_is_terminating: gauge(),
    livekit_node_cpu_load: gauge('node_type'),
    livekit_load_ratio: gauge('type'),
    livekit_egress_requests: ['gauge', []],
    livekit_egress_proc_rss_bytes: gauge(),
    livekit_egress_cgroup_read_success: gauge(),
    livekit_egress_cgroup_memory_bytes: gauge(),
    livekit_egress_would_reject_cgroup: gauge(),
    livekit_egress_handler_results: ['counter', ['result', 'type', ...node].sort()],
    livekit_egress_pipeline_uploads: ['counter', upload],
    livekit_egress_pipline_upload_response_time_ms: ['histogram', upload],
    livekit_egress_backup_storage_writes: ['counter', []],
  });
  const [result] = now.livekit_egress_handler_results.samples;
  assert.equal(result.name, 'livekit_egress_handler_results_total');
  assert.ok(has(result.labels, { type: 'participant', result: 'completed', cluster_id: 'a "cluster"' }), JSON.stringify(result));
  const uploads = now.livekit_egress_pipeline_uploads.samples.map(({ labels }) => `${labels.type} ${labels.status} ${labels.custom_endpoint}`);
  assert.deepEqual(uploads.sort(), ['application/json success true', 'audio/ogg success true']);
  const times = now.livekit_egress_pipline_upload_response_time_ms.samples;
  const buckets = times.filter(({ labels }) => labels.type === 'audio/ogg' && labels.le).map(({ labels }) => labels.le);
  assert.deepEqual(buckets, ['10', '20', '50', '100', '200', '500', '1000', '2000', '5000', '10000', '15000', '20000', '30000', '+Inf']);
});

test('limits and storage of the configuration hold', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const minio = await Minio.start();
  scene.onClose(() => minio.stop());
  const s3 = { access_key: minio.key, secret: minio.secret, endpoint: minio.url, bucket: minio.bucket, region: 'us-east-1', force_path_style: true };
  const config = { session_limits: { file_output_max_duration: '3s' }, storage: { prefix: 'all', s3 } };
  const service = await Service.start(scene, { config });
  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', file('show.ogg'));
  const info = await service.reaches(egressId, 'LIMIT_REACHED');
  assert.deepEqual([info.error, info.errorCode], ['Session limit reached', 413]);
  const stored = await until('it is in the bucket', async () => {
    const [told] = (await service.info(egressId)).fileResults;
    return told.location.startsWith('http') && told;
  });
  assert.match(stored.location, /\/shows\/all\/show\.ogg$/);
  // The manifest is told where it is: its local file went with the recording's.
  const { manifestLocation } = await service.info(egressId);
  assert.equal(manifestLocation, stored.location.replace('show.ogg', `${egressId}.json`));
  assert.ok((await minio.object(`all/${egressId}.json`)).length > 0);
  assert.doesNotMatch(service.log, new RegExp(minio.secret));
});

test('TLS, with a certificate of one\'s own', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const folder = await mkdtemp(join(tmpdir(), 'tl-tls-'));
  scene.onClose(() => rm(folder, { recursive: true, force: true }));
  const [tls_cert, tls_key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...make, '-keyout', tls_key, '-out', tls_cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']);
  const service = await Service.start(scene, { config: { api: { bind: '0.0.0.0', port: 0, tls_cert, tls_key } } });
  const { port, protocol } = new URL(service.url);
  assert.equal(protocol, 'https:');
  const asked = (options = {}) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${service.token()}`, 'content-type': 'application/json' };
      const call = request({ host: 'localhost', port, path: '/twirp/livekit.Egress/ListEgress', method: 'POST', headers, ...options }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      });
      call.on('error', reject).end('{}');
    });
  assert.equal(await asked({ ca: await readFile(tls_cert) }), 200);
  await assert.rejects(asked(), /self.signed/);
  await assert.rejects(fetch(`http://localhost:${port}/`), 'without TLS there is no answer');

  // A key of another certificate.
  await run('openssl', ['ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', join(folder, 'other.pem')]);
  const wrong = await Service.start(scene, { config: { api: { port: 0, tls_cert, tls_key: join(folder, 'other.pem') } }, ready: false });
  assert.equal((await wrong.worker.ended()).code, 1);
  assert.match(wrong.log, /other\.pem is no private key that can be used/);
});

test('a configuration that cannot be used is refused, with what, where and what to do', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const refused = async (config, ...words) => {
    const service = await Service.start(scene, { config, ready: false });
    assert.equal((await service.worker.ended()).code, 1, service.log);
    for (const word of words) assert.match(service.log, word);
    assert.doesNotMatch(service.log, new RegExp(scene.server.secret));
  };
  await refused({ api: { bind: '0.0.0.0', port: 0 } }, /without encryption/, /tls_cert/);
  await refused({ health_port: 'many' }, /health_port/, /line 1/, /what to do/);
  await refused({ session_limits: { file_output_max_duration: 'soon' } }, /file_output_max_duration/);
  await refused({ api_key: '' }, /api_key/, /LIVEKIT_API_KEY/);
  await refused({ storage: { s3: { bucket: 'a', access_key: 'b' } } }, /storage cannot be used/);
  await refused({ webhook: { api_key: 'APIstranger', urls: ['https://example.com'] } }, /API key/);
  const home = await mkdtemp(join(tmpdir(), 'tl-conf-'));
  scene.onClose(() => rm(home, { recursive: true, force: true }));
  const none = await Worker.start(['serve'], { home });
  assert.equal((await none.ended()).code, 1);
  assert.match(none.stderr, /No configuration is named/);
});

test('the configuration by the environment, and what is unknown in it is warned of', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const home = await mkdtemp(join(tmpdir(), 'tl-conf-'));
  scene.onClose(() => rm(home, { recursive: true, force: true }));
  const file = join(home, 'c.yaml');
  const env = { LIVEKIT_WS_URL: scene.server.url, EGRESS_CONFIG_FILE: file };
  await writeFile(file, 'api: &api\n  port: 0\nhelth_port: 7\ninsecure: yes\nlatency:\n  pipeline_latency: 3s\n<<: { logging: { json: no } }\n');
  const worker = await Worker.start(['serve'], { server: scene.server, home, env });
  t.after(() => worker.clean());
  await worker.says(/the API is at/, 60_000);
  assert.match(worker.stderr, /helth_port is not known/);
  assert.match(worker.stderr, /latency has no effect here/);
  assert.doesNotMatch(worker.stderr, /insecure/);
  worker.child.kill('SIGTERM');
  assert.equal((await worker.ended()).code, 0, worker.stderr);
});
