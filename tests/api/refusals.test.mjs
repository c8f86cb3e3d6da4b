// What is refused, and how: tokens, routes, messages, requests.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { AccessToken, DirectFileOutput, EgressClient, EncodedFileOutput } from 'livekit-server-sdk';
import { Python } from '../harness/python.mjs';
import { Scene } from '../harness/scene.mjs';
import { Service } from '../harness/service.mjs';
import { memoryBytes } from '../harness/process.mjs';
import { sleep, until, within } from '../harness/wait.mjs';

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('tokens: one answer for all that are not good, and nothing of them in the log', async (t) => {
  const scene = await Scene.open(t);
  const service = await Service.start(scene, { config: { logging: { level: 'debug' } } });
  const now = Math.floor(Date.now() / 1000);
  assert.equal((await service.call('ListEgress')).status, 200);
  const claims = { iss: scene.server.key, nbf: now - 5, exp: now + 600, video: { roomRecord: true } };
  const signature = service.token().split('.')[2];
  const bad = {
    expired: service.token({ exp: now - 120 }),
    'not yet valid': service.token({ nbf: now + 120 }),
    'of another secret': service.token({}, 'f'.repeat(48)),
    'of another key': service.token({ iss: 'APIstranger' }),
    'of no key': service.token({ iss: undefined }),
    'without a signature': `${b64({ alg: 'none', typ: 'JWT' })}.${b64(claims)}.`,
    'without a signature, with one': `${b64({ alg: 'none', typ: 'JWT' })}.${b64(claims)}.${signature}`,
    'of another algorithm': `${b64({ alg: 'RS256', typ: 'JWT' })}.${b64(claims)}.${signature}`,
    garbage: 'not.a.token',
    'one word': 'hunter2hunter2',
    'very long': 'a'.repeat(40_000),
    empty: '',
  };
  const answers = new Set();
  for (const [what, token] of Object.entries(bad)) {
    const { status, text, json } = await service.call('ListEgress', {}, { token });
    assert.equal(status, 401, what);
    if (what !== 'empty') {
      assert.equal(json.code, 'unauthenticated', what);
      answers.add(text);
    }
    if (token.length > 8) assert.ok(!text.includes(token) && !service.log.includes(token), what);
  }
  assert.equal(answers.size, 1, [...answers].join('\n'));
  assert.match([...answers][0], /invalid authorization token/);

  for (const [what, token] of [['no token', null], ['no grant', service.token({ video: { roomAdmin: true, roomList: true, room: 'r' } })]]) {
    const { status, json } = await service.call('ListEgress', {}, { token });
    assert.deepEqual([status, json.code, json.msg], [401, 'unauthenticated', 'permissions denied'], what);
  }
  const basic = await service.call('ListEgress', {}, { token: null, headers: { authorization: `Basic ${service.token()}` } });
  assert.deepEqual([basic.status, basic.json.code], [401, 'unauthenticated']);

  // What the SDKs make of it.
  const stranger = new EgressClient(service.url, scene.server.key, 'f'.repeat(48));
  await assert.rejects(stranger.listEgress(), { status: 401, code: 'unauthenticated' });
  const token = new AccessToken(scene.server.key, scene.server.secret, { identity: 'guest' });
  token.addGrant({ roomJoin: true, room: 'r' });
  assert.equal((await service.call('StopEgress', {}, { token: await token.toJwt() })).status, 401);
  assert.doesNotMatch(service.log, new RegExp(scene.server.secret));
});

test('routes and messages', async (t) => {
  const scene = await Scene.open(t);
  const service = await Service.start(scene);
  const bad = async (code, status, ...args) => {
    const answer = await service.call(...args);
    assert.deepEqual([answer.status, answer.json?.code], [status, code], JSON.stringify(args).slice(0, 200));
    assert.equal(answer.headers.get('content-type'), 'application/json');
    return answer.json;
  };
  const route = await bad('bad_route', 404, 'Nothing');
  assert.match(route.msg, /no handler for path "\/twirp\/livekit.Egress\/Nothing"/);
  assert.equal(route.meta.twirp_invalid_route, 'POST /twirp/livekit.Egress/Nothing');
  assert.match((await bad('bad_route', 404, 'ListEgress', {}, { verb: 'GET' })).msg, /unsupported method "GET" \(only POST is allowed\)/);
  assert.match((await bad('bad_route', 404, 'ListEgress', '', { type: 'text/plain' })).msg, /unexpected Content-Type: "text\/plain"/);
  await bad('bad_route', 404, '../livekit.RoomService/ListRooms');
  await bad('malformed', 400, 'ListEgress', '{');
  await bad('malformed', 400, 'ListEgress', '[]');
  await bad('malformed', 400, 'ListEgress', '{"egress_id": 7}');
  await bad('malformed', 400, 'ListEgress', new Uint8Array([0x0a, 0xff]), { type: 'application/protobuf' });
  await bad('malformed', 400, 'ListEgress', JSON.stringify({ room_name: 'r'.repeat(2 << 20) }));
  await bad('invalid_argument', 400, 'ListEgress', { page_token: { token: 'nonsense' } });
  // Deep, but within the size.
  await bad('malformed', 400, 'ListEgress', '['.repeat(500_000));
  assert.equal((await service.call('ListEgress', { later_field: { a: 1 } })).status, 200, 'fields of later versions');
  const empty = await service.call('ListEgress', new Uint8Array(), { type: 'application/protobuf' });
  assert.deepEqual([empty.status, empty.headers.get('content-type')], [200, 'application/protobuf']);
  assert.equal((await fetch(service.url)).status, 200);

  const preflight = await fetch(`${service.url}/twirp/livekit.Egress/ListEgress`, {
    method: 'OPTIONS',
    headers: { origin: 'https://example.com', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
  });
  assert.ok(preflight.ok);
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://example.com');
  assert.match(preflight.headers.get('access-control-allow-headers'), /authorization/);
  assert.equal(preflight.headers.get('access-control-max-age'), '86400');
  const page = await service.call('ListEgress', {}, { headers: { origin: 'https://example.com' } });
  assert.equal(page.headers.get('access-control-allow-origin'), 'https://example.com');
});

test('requests that make no sense, by both SDKs', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const service = await Service.start(scene);
  const sdk = await Python.start(scene, service);
  const no = async (call, status, code, words) => {
    await assert.rejects(call, (error) => {
      assert.deepEqual([error.status, error.code], [status, code], error.message);
      assert.match(error.message, words);
      return true;
    });
  };
  const file = new EncodedFileOutput({ filepath: 'a' });
  await no(service.egress.startRoomCompositeEgress('', { file }), 400, 'invalid_argument', /room_name/);
  await no(service.egress.startParticipantEgress(scene.room, '', { file }), 400, 'invalid_argument', /missing or invalid field: identity/);
  await no(service.egress.startTrackEgress(scene.room, new DirectFileOutput(), ''), 400, 'invalid_argument', /missing or invalid field: track_id/);
  await no(service.egress.startWebEgress('file:///etc/passwd', { file }), 400, 'invalid_argument', /url/);
  await no(service.egress.startParticipantEgress(scene.room, 'ada', {}), 400, 'invalid_argument', /output/);
  const webhooks = [{ url: 'https://example.com', signingKey: 'APIstranger' }];
  await no(service.egress.startParticipantEgress(scene.room, 'ada', { file }, { webhooks }), 400, 'invalid_argument', /no secret for provided signing key/);
  await no(service.egress.stopEgress('EG_nobody'), 404, 'not_found', /egress does not exist/);
  await no(service.egress.updateLayout('EG_nobody', 'grid'), 404, 'not_found', /egress does not exist/);
  await no(service.egress.updateStream('EG_nobody', ['rtmp://example.com/live/key']), 404, 'not_found', /egress does not exist/);
  await no(service.egress.listEgress({ egressId: 'EG_nobody' }), 404, 'not_found', /egress does not exist/);
  for (const [name, request, status, code] of [
    ['stop_egress', { egress_id: 'EG_nobody' }, 404, 'not_found'],
    ['start_web_egress', { url: 'https://example.com' }, 400, 'invalid_argument'],
    ['start_egress', { room_name: scene.room }, 400, 'invalid_argument'],
    ['start_track_composite_egress', { room_name: scene.room, file_outputs: [{ filepath: 'a' }] }, 400, 'invalid_argument'],
    ['start_participant_egress', { room_name: scene.room, identity: 'a', file_outputs: [{ filepath: '../a' }] }, 400, 'invalid_argument'],
    ['start_participant_egress', { room_name: scene.room, identity: 'a', file_outputs: [{ s3: { access_key: 'AKIASECRET', secret: 'hunter2hunter2', bucket: 'no such bucket!' } }] }, 400, 'invalid_argument'],
  ]) {
    const { error } = await sdk.call(name, request);
    assert.deepEqual([error?.status, error?.code], [status, code], `${name}: ${JSON.stringify(error)}`);
    assert.doesNotMatch(JSON.stringify(error), /AKIASECRET|hunter2/);
  }
  assert.doesNotMatch(service.log, /AKIASECRET|hunter2/);

  // What does not fit the state.
  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', { file: new EncodedFileOutput({ filepath: 'a.ogg' }) });
  await service.reaches(egressId, 'ACTIVE');
  await no(service.egress.updateStream(egressId, ['not an address']), 400, 'invalid_argument', /./);
  await service.finish(egressId);
  await no(service.egress.stopEgress(egressId), 412, 'failed_precondition', /egress with status EGRESS_COMPLETE cannot be stopped/);
  await no(service.egress.updateStream(egressId, ['rtmp://example.com/live/key']), 412, 'failed_precondition', /egress with status EGRESS_COMPLETE cannot be updated/);
});

test('of a thousand starts at once as many are taken as there is room for, and the others are told why', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  // Room for three, whatever else this computer is busy with.
  const config = { cpu_cost: { max_cpu_utilization: 50, participant_cpu_cost: 16 * availableParallelism() } };
  const service = await Service.start(scene, { config });
  const start = (at) => service.call('StartParticipantEgress', { room_name: scene.room, identity: 'person-1', file_outputs: [{ filepath: `${at}.ogg` }] });
  const answers = [];
  let next = 0;
  const lane = async () => {
    while (next < 1000) answers.push(await start(next++));
  };
  await Promise.all(Array.from({ length: 200 }, lane));
  const taken = answers.filter(({ status }) => status === 200);
  assert.equal(answers.length, 1000);
  assert.equal(taken.length, 3, answers.map(({ status }) => status).join(' '));
  const refused = new Set(answers.filter(({ status }) => status !== 200).map(({ status, text }) => `${status} ${text}`));
  assert.equal(refused.size, 1, [...refused].join('\n'));
  assert.match([...refused][0], /^429 .*"resource_exhausted".*not enough CPU: .*Try again when a recording has ended/);
  assert.equal((await service.egress.listEgress()).length, 3, 'nothing is left of those that were refused');
  const ids = taken.map(({ json }) => json.egress_id);
  for (const id of ids) await service.reaches(id, 'ACTIVE');
  await service.finish(ids[0]);
  const again = await until('there is room again', async () => {
    const answer = await start('again');
    return answer.status === 200 && answer.json.egress_id;
  });
  for (const id of [ids[1], ids[2], again]) {
    await service.reaches(id, 'ACTIVE');
    await service.finish(id);
  }
});

test('who connects and says nothing, or little, holds nobody up', { timeout: 90_000 }, async (t) => {
  const scene = await Scene.open(t);
  const service = await Service.start(scene);
  const { hostname, port } = new URL(service.url);
  const sockets = Array.from({ length: 200 }, (_, at) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.on('connect', () => {
      if (at % 4 === 1) socket.write('POST /twirp/livekit.Egress/ListEgress HTTP/1.1\r\nHost: a\r\n');
      if (at % 4 === 2) {
        const head = `authorization: Bearer ${service.token()}\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n`;
        socket.write(`POST /twirp/livekit.Egress/ListEgress HTTP/1.1\r\nHost: a\r\n${head}\r\n{`);
      }
      if (at % 4 === 3) socket.write('\x16\x03\x01\x02\x00garbage');
    });
    return { socket, closed: new Promise((resolve) => socket.on('close', resolve)) };
  });
  t.after(() => sockets.forEach(({ socket }) => socket.destroy()));
  await sleep(500);
  for (let call = 0; call < 10; call++) {
    const from = performance.now();
    assert.equal((await service.call('ListEgress')).status, 200);
    assert.ok(performance.now() - from < 2000, `${performance.now() - from} ms`);
  }
  for (const { socket } of sockets) socket.resume();
  let closed = 0;
  await within(60_000, Promise.all(sockets.map((each) => each.closed.then(() => (closed += 1)))));
  assert.equal(closed, sockets.length, 'each is let go of');
  assert.ok(memoryBytes(service.worker.child.pid) < 300e6);
});
