// Pages that Chromium refuses, recorded where who runs the service has asked for it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EncodedFileOutput } from 'livekit-server-sdk';
import { Scene } from '../harness/scene.mjs';
import { Service } from '../harness/service.mjs';
import { until } from '../harness/wait.mjs';

const run = promisify(execFile);

/** A WebSocket server that only shakes hands, without encryption. */
async function sockets(scene) {
  const server = createServer();
  server.on('upgrade', (request, socket) => {
    const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${key}\r\n\r\n`);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scene.onClose(async () => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

test('a page with a certificate of its own, and an unencrypted socket in it', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  const folder = await mkdtemp(join(tmpdir(), 'tl-cert-'));
  scene.onClose(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...make, '-keyout', key, '-out', cert, '-subj', '/CN=page.test', '-addext', 'subjectAltName=DNS:page.test']);
  const port = await sockets(scene);
  // Names of this computer alone would count as safe.
  const html = `<!doctype html><body style="background:#060"><script>
    const socket = new WebSocket('ws://sockets.test:${port}');
    socket.onopen = () => console.log('START_RECORDING');
  </script>`;
  const pages = createSecureServer({ cert: await readFile(cert), key: await readFile(key) }, (_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end(html));
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  scene.onClose(async () => {
    pages.closeAllConnections();
    pages.close();
  });
  const url = `https://page.test:${pages.address().port}/`;
  const names = { 'host-resolver-rules': 'MAP *.test 127.0.0.1' };
  const start = async (config, awaitStartSignal) => {
    const service = await Service.start(scene, { config });
    const output = { file: new EncodedFileOutput({ filepath: 'page.mp4' }) };
    const { egressId } = await service.egress.startWebEgress(url, output, { awaitStartSignal });
    return { service, egressId };
  };
  const end = async ({ service }) => {
    service.worker.child.kill('SIGINT');
    await service.worker.ended();
  };

  const plain = await start({ chrome_flags: names }, false);
  const warned = () => plain.service.log.includes('ERR_CERT_AUTHORITY_INVALID');
  await until('Chromium refuses it', async () => warned() || (await plain.service.info(plain.egressId)).error.length > 0, { withinMs: 60_000 });
  assert.notEqual((await plain.service.info(plain.egressId)).status, 1, 'it is not active');
  await end(plain);

  const flag = await start({ chrome_flags: { ...names, 'ignore-certificate-errors': true } }, false);
  await flag.service.reaches(flag.egressId, 'ACTIVE');
  await flag.service.finish(flag.egressId);
  await end(flag);

  const insecure = await start({ chrome_flags: names, insecure: true }, true);
  await insecure.service.reaches(insecure.egressId, 'ACTIVE');
  await insecure.service.finish(insecure.egressId);
});
