// A network that can be cut, without privileges: the server advertises 127.0.0.2 for media, and this stands there and
// passes every datagram and every signalling connection on. Clients that came before `mark()` keep their way when the others'
// is cut, so publishers go on while the recorder is cut off.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { LiveKit } from './livekit.mjs';

/** Where the server says it is. Loopback, and not the address that it listens on. */
export const ADVERTISED = '127.0.0.2';

/** The way between clients and one server. */
export class Network {
  #udp;
  #signalling;
  #flows = new Map();
  #sockets = new Set();
  #marked = false;
  #cut = false;
  /** Share of datagrams to and from marked clients that is lost, 0 to 1. */
  loss = 0;

  /** Starts a server whose clients come through a network of its own: `{server, network}`. */
  static async withServer(options = {}) {
    const server = await LiveKit.start({ ...options, advertise: ADVERTISED });
    const network = new Network();
    await network.#listen(server);
    // Signalling too.
    server.directUrl = server.url;
    server.url = `ws://${ADVERTISED}:${server.port}`;
    return { server, network };
  }

  async #listen(server) {
    this.server = server;
    this.#udp = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
    this.#udp.on('message', (data, from) => this.#up(data, from));
    this.#udp.on('error', () => {});
    this.#udp.bind(server.udpPort, ADVERTISED);
    await once(this.#udp, 'listening');
    this.#signalling = createServer((client) => this.#connection(client, server.port));
    this.#signalling.listen(server.port, ADVERTISED);
    await once(this.#signalling, 'listening');
  }

  /** Clients from now on are the ones that `cut` and `loss` concern. */
  mark() {
    this.#marked = true;
  }

  /** Nothing of the marked clients passes any more, either way. Connections stay open, as with a pulled cable. */
  cut() {
    this.#cut = true;
    for (const pair of this.#sockets) if (pair.marked) pair.pause();
  }

  restore() {
    this.#cut = false;
    for (const pair of this.#sockets) pair.resume();
  }

  async close() {
    this.#udp.close();
    for (const flow of this.#flows.values()) flow.socket.close();
    for (const pair of this.#sockets) pair.destroy();
    this.#signalling.close();
  }

  #drops(marked) {
    return marked && (this.#cut || (this.loss > 0 && Math.random() < this.loss));
  }

  #up(data, from) {
    const name = `${from.address}:${from.port}`;
    let flow = this.#flows.get(name);
    if (!flow) {
      const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
      flow = { socket, marked: this.#marked };
      this.#flows.set(name, flow);
      socket.on('error', () => {});
      socket.on('message', (down) => {
        if (!this.#drops(flow.marked)) this.#udp.send(down, from.port, from.address);
      });
    }
    if (!this.#drops(flow.marked)) flow.socket.send(data, this.server.udpPort, '127.0.0.1');
  }

  #connection(client, port) {
    const marked = this.#marked;
    const far = connect(port, '127.0.0.1');
    const pair = {
      marked,
      pause: () => (client.pause(), far.pause()),
      resume: () => (client.resume(), far.resume()),
      destroy: () => (client.destroy(), far.destroy()),
    };
    this.#sockets.add(pair);
    for (const [a, b] of [[client, far], [far, client]]) {
      a.setNoDelay(true);
      a.on('data', (data) => b.write(data));
      a.on('error', () => b.destroy());
      a.on('close', () => {
        this.#sockets.delete(pair);
        // A close does not get through a cut either.
        const end = () => (this.#cut && marked ? setTimeout(end, 100).unref() : b.destroy());
        end();
      });
    }
    if (marked && this.#cut) pair.pause();
  }
}
