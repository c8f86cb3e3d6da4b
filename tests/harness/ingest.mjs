// Servers that take streams: Debian's nginx with its RTMP module, which keeps what it receives in FLV files, and a
// listener for SRT. Each in a folder of its own, on ports of its own.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createServer as createTlsServer } from 'node:tls';
import { freePort, freeUdpPort } from './livekit.mjs';
import { until } from './wait.mjs';

const run = promisify(execFile);

/** An RTMP server. It takes every key that is not in `refused`, and keeps a file of each connection. */
export class RtmpServer {
  #child;
  #asked;
  /** Keys that it says no to. */
  refused = new Set();
  /** The keys of all who wanted to publish, in order. */
  publishers = [];

  static async start() {
    const server = new RtmpServer();
    server.folder = await mkdtemp(join(tmpdir(), 'tl-rtmp-'));
    await mkdir(join(server.folder, 'kept'));
    server.port = await freePort();
    await server.#ask();
    await server.up();
    return server;
  }

  /** Answers nginx's question whether a key is good. */
  async #ask() {
    this.#asked = createServer((request, response) => {
      let body = '';
      request.on('data', (data) => (body += data));
      request.on('end', () => {
        const key = new URLSearchParams(body).get('name');
        this.publishers.push(key);
        response.writeHead(this.refused.has(key) ? 403 : 200).end();
      });
    });
    this.#asked.listen(0, '127.0.0.1');
    await once(this.#asked, 'listening');
  }

  /** Starts nginx, again at the same port if it was down. */
  async up() {
    const here = this.folder;
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${here}/${what};`);
    const config = `
      load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
      daemon off; master_process off; error_log ${here}/error.log info; pid ${here}/nginx.pid;
      events { worker_connections 256; }
      http { access_log off; ${temp.join(' ')} }
      rtmp { access_log off; server {
        listen 127.0.0.1:${this.port}; chunk_size 4096;
        application live {
          live on; record all; record_path ${here}/kept; record_unique on; record_append off;
          on_publish http://127.0.0.1:${this.#asked.address().port}/;
        }
      } }`;
    await writeFile(join(here, 'nginx.conf'), config);
    this.#child = spawn('nginx', ['-c', join(here, 'nginx.conf'), '-e', join(here, 'error.log'), '-p', here], { stdio: 'ignore' });
    this.exited = once(this.#child, 'exit');
    await until('nginx listens', () => listens(this.port));
  }

  /** Ends nginx at once, and every connection with it. */
  async down() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  url(key) {
    return `rtmp://127.0.0.1:${this.port}/live/${key}`;
  }

  /** The files of what came with a key, one a connection, in order. */
  kept(key) {
    const folder = join(this.folder, 'kept');
    const files = readdirSync(folder).filter((name) => name.startsWith(`${key}-`) && name.endsWith('.flv'));
    const path = (name) => join(folder, name);
    return files.map(path).sort((a, b) => statSync(a).birthtimeMs - statSync(b).birthtimeMs);
  }

  /** Waits until a stream has come to so many bytes. */
  receives(key, bytes, withinMs = 30_000) {
    const size = () => this.kept(key).reduce((sum, file) => sum + statSync(file).size, 0);
    return until(`${bytes} bytes of ${key}`, () => size() >= bytes, { withinMs });
  }

  log() {
    return readFile(join(this.folder, 'error.log'), 'utf8');
  }

  async stop() {
    await this.down();
    this.#asked.closeAllConnections();
    this.#asked.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** A listener for SRT that keeps what comes in a file. It takes one caller after the other. */
export class SrtListener {
  #child;

  /** @param {{passphrase?: string}} [options] */
  static async start(options = {}) {
    const listener = new SrtListener();
    listener.folder = await mkdtemp(join(tmpdir(), 'tl-srt-'));
    listener.file = join(listener.folder, 'kept.ts');
    listener.port = await freeUdpPort();
    listener.options = options;
    listener.up();
    return listener;
  }

  up() {
    const secret = this.options.passphrase ? `&passphrase=${this.options.passphrase}` : '';
    const from = `srt://127.0.0.1:${this.port}?mode=listener${secret}`;
    const out = openSync(this.file, 'a');
    this.#child = spawn('srt-live-transmit', ['-q', '-a', 'yes', from, 'file://con'], { stdio: ['ignore', out, 'ignore'] });
    closeSync(out);
    this.exited = once(this.#child, 'exit');
  }

  async down() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  url(query = '') {
    return `srt://127.0.0.1:${this.port}${query}`;
  }

  receives(bytes, withinMs = 30_000) {
    return until(`${bytes} bytes over SRT`, () => existsSync(this.file) && statSync(this.file).size >= bytes, { withinMs });
  }

  async stop() {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Puts TLS, with a certificate that nobody has signed, in front of a port: `{port, stop}`. */
export async function tlsFront(port) {
  const folder = await mkdtemp(join(tmpdir(), 'tl-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-days', '2'];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject]);
  const open = new Set();
  const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) }, (client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => (client.destroy(), upstream.destroy()));
    }
    client.pipe(upstream).pipe(client);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await rm(folder, { recursive: true });
  return {
    port: server.address().port,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
