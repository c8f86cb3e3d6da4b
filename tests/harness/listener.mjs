// A server that takes sound over WebSockets, and keeps what it hears.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

export class Listener {
  /** One for each connection: `{url, headers, blocks, texts, socket}`, in order. */
  calls = [];
  /** Status that newcomers are refused with, or 0. */
  refuses = 0;

  static async start(port = 0) {
    const listener = new Listener();
    listener.server = createServer();
    const sockets = new WebSocketServer({ noServer: true });
    listener.server.on('upgrade', (request, stream, head) => {
      if (listener.refuses) {
        stream.end(`HTTP/1.1 ${listener.refuses} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, stream, head, (socket) => listener.#take(request, socket));
    });
    listener.server.listen(port, '127.0.0.1');
    await once(listener.server, 'listening');
    listener.port = listener.server.address().port;
    return listener;
  }

  #take(request, socket) {
    const call = { url: request.url, headers: request.headers, blocks: [], texts: [], socket, closed: null };
    socket.on('message', (data, binary) => (binary ? call.blocks.push(data) : call.texts.push(JSON.parse(data))));
    socket.on('close', (code) => (call.closed = code));
    this.calls.push(call);
  }

  url(rest = '') {
    return `ws://127.0.0.1:${this.port}/in${rest}`;
  }

  /** Everybody is cut off, and nobody answers any more. */
  async stop() {
    for (const { socket } of this.calls) socket.terminate();
    this.server.closeAllConnections();
    if (this.server.listening) {
      this.server.close();
      await once(this.server, 'close');
    }
  }
}

/** What a call heard, as mono samples at 48 kHz that beeps can be looked for in. */
export function heard(call, { rateHz = 48_000, channels = 2 } = {}) {
  const raw = Buffer.concat(call.blocks);
  const count = Math.floor(raw.length / 2 / channels);
  const repeat = 48_000 / rateHz;
  const samples = new Float32Array(count * repeat);
  for (let i = 0; i < count; i++) samples.fill(raw.readInt16LE(i * 2 * channels) / 32768, i * repeat, (i + 1) * repeat);
  return { samples, startS: 0, seconds: count / rateHz };
}
