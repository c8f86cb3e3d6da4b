// A way to a TCP server that can be spoilt: refused, a black hole, stalled, cut, slow.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Proxy {
  #server;
  #pairs = new Set();
  #timer;
  /** Connections so far. */
  connections = 0;
  /** 'pass'; 'hole': taken, and nothing is ever read or said; 'stall': the first `stallBytes` pass, then nothing is read. */
  mode = 'pass';
  stallBytes = 200_000;
  /** Bytes a second that pass, upwards; none for all. */
  bytesPerS = null;

  static async to(port) {
    const proxy = new Proxy();
    proxy.upstream = port;
    await proxy.open();
    return proxy;
  }

  /** Listens, again at the same port if it was closed. */
  async open() {
    this.#server = createServer((client) => this.#connection(client));
    this.#server.listen(this.port ?? 0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  /** Nobody listens any more; those who are connected are cut off. */
  async refuse() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Cuts every connection. */
  cut() {
    for (const pair of this.#pairs) pair.destroy();
  }

  /** Cuts every connection, again and again. */
  cutEvery(ms) {
    this.#timer = setInterval(() => this.cut(), ms);
  }

  #connection(client) {
    this.connections += 1;
    const pair = { destroy: () => (client.destroy(), pair.upstream?.destroy()) };
    this.#pairs.add(pair);
    const gone = () => {
      this.#pairs.delete(pair);
      pair.destroy();
    };
    client.on('error', () => {}).on('close', gone);
    if (this.mode === 'hole') {
      client.pause();
      return;
    }
    const upstream = connect(this.upstream, '127.0.0.1');
    pair.upstream = upstream;
    upstream.on('error', () => {}).on('close', gone);
    upstream.pipe(client);
    let passed = 0;
    client.on('data', (data) => {
      upstream.write(data);
      passed += data.length;
      if (this.mode === 'stall' && passed > this.stallBytes) client.pause();
      if (this.bytesPerS) {
        client.pause();
        setTimeout(() => client.resume(), (data.length * 1000) / this.bytesPerS);
      }
    });
  }

  async stop() {
    clearInterval(this.#timer);
    this.cut();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}
