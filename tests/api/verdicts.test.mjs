// The same calls to LiveKit's own server and to ours: what the one lets in, the other does.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Scene } from '../harness/scene.mjs';
import { Service } from '../harness/service.mjs';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function signed(secret, claims, { alg = 'HS256', hash = 'sha256' } = {}) {
  const text = `${b64({ alg, typ: 'JWT' })}.${b64(claims)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
}

/** What LiveKit's server answers. Without a Redis it has no egress service, and gets as far as to say so. */
async function livekit(server, method, body, token) {
  const answer = await fetch(`${server.url.replace(/^ws/, 'http')}/twirp/livekit.Egress/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body,
    signal: AbortSignal.timeout(60_000),
  });
  return { status: answer.status, text: await answer.text() };
}

test('tokens', async (t) => {
  const scene = await Scene.open(t);
  const service = await Service.start(scene);
  const { key, secret } = scene.server;
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: key, nbf: now - 5, exp: now + 600, video: { roomRecord: true } };
  const tokens = [
    {}, { exp: undefined, nbf: undefined }, { exp: null }, { exp: now + 100.7 }, { exp: `${now + 100}` }, { exp: `${now + 100}.5` },
    { exp: '1e10' }, { exp: 'soon' }, { exp: '' }, { exp: ' 4000000000' }, { exp: 0 }, { exp: 1e300 }, { exp: true }, { exp: [now + 100] },
    { exp: now - 30 }, { exp: now - 90 }, { exp: `${now - 90}` }, { exp: now - 90.5 },
    { nbf: `${now - 5}` }, { nbf: now + 30 }, { nbf: now + 90 }, { nbf: null }, { nbf: {} }, { iat: now + 9999 }, { iat: 'x' },
    { aud: 'x' }, { aud: ['x', 'y'] }, { aud: [] }, { aud: null }, { aud: 5 }, { aud: [null] }, { aud: {} },
    { sub: null, name: null, metadata: null, attributes: null, sip: null, jti: null }, { sub: 5 }, { name: {} }, { later: [{}] },
    { attributes: { a: null } }, { attributes: { a: 1 } }, { kindDetails: ['x', null] }, { kindDetails: 'x' },
    { roomConfig: { later: 1, maxParticipants: '5' } }, { roomConfig: { egress: 5 } }, { sip: { admin: 'x' } },
    { video: null }, { video: {} }, { video: { roomRecord: 1 } }, { video: { roomRecord: 'true' } }, { video: { roomrecord: true } },
    { video: [true] }, { video: 'roomRecord' }, { video: { roomRecord: true, room: 5 } }, { video: { roomRecord: true, later: {} } },
    { video: { roomAdmin: true, roomList: true } }, { iss: 'APIstranger' }, { iss: undefined }, { iss: null },
  ].map((more) => [JSON.stringify(more), signed(secret, { ...claims, ...more })]);
  const good = signed(secret, claims);
  const [head, body, signature] = good.split('.');
  tokens.push(
    ['another secret', signed('f'.repeat(48), claims)],
    ['HS384', signed(secret, claims, { alg: 'HS384', hash: 'sha384' })],
    ['called HS512', signed(secret, claims, { alg: 'HS512' })],
    ...['none', 'None', '', 'RS256'].map((alg) => [`alg ${alg}`, `${b64({ alg })}.${body}.${signature}`]),
    ['none, unsigned', `${b64({ alg: 'none' })}.${body}.`],
    ['padded', `${good}=`],
    ['four parts', `${good}.x`],
    ['no signature', `${head}.${body}`],
    ['claims changed', `${head}.${b64({ ...claims, exp: now + 9999 })}.${signature}`],
  );
  const let_in = [];
  for (const [what, token] of tokens) {
    const [theirs, ours] = await Promise.all([livekit(scene.server, 'ListEgress', '{}', token), service.call('ListEgress', {}, { token })]);
    assert.equal(ours.status === 401, theirs.status === 401, `${what}: they ${theirs.status}, we ${ours.status} ${ours.text}`);
    if (ours.status === 200) let_in.push(what);
  }
  assert.ok(let_in.length > 15 && let_in.length < tokens.length - 25, `${let_in}`);
});

test('JSON, and rooms that do not exist', async (t) => {
  const scene = await Scene.open(t);
  const service = await Service.start(scene);
  const room = { room_name: 'nobody' };
  const s3 = (s3) => ({ ...room, file_outputs: [{ s3 }] });
  const bodies = [
    {}, { room_name: null }, { roomName: 'nobody', layout: null, later: {} }, { room_name: 5 }, { room_name: 'a', roomName: 'b' },
    { ...room, file_outputs: null, stream_outputs: [{ urls: null }] }, { ...room, file_outputs: [null] }, { ...room, file_outputs: {} },
    { ...room, stream_outputs: [{ urls: [null] }] }, '{"room_name":"nobody","advanced":{"width":1280.0,"height":"720","framerate":3e1}}',
    ...['720.0', '3e1', ' 6', '', '0x10', '06', 1.5, 1e10, -1, 'x', true].map((width) => ({ ...room, advanced: { width } })),
    ...['2.5', 'NaN', 4, 'x', null].map((interval) => ({ ...room, advanced: { key_frame_interval: interval } })),
    ...['OF_LATER', 'H264_1080P_30', '1', 2, 99, true, null].map((preset) => ({ ...room, preset })),
    '{"room_name":"nobody","preset":2.0}', { ...room, preset: 1, advanced: {} }, { ...room, preset: null, advanced: {} },
    { ...room, audio_only: 'true' }, { ...room, audio_only: 1 }, { ...room, audio_only: null },
    s3('x'), s3({ secret: ['x'] }), s3({ metadata: { a: 1 } }), s3({ metadata: { a: null } }), s3({ metadata: null }), s3(null),
    { ...room, file_outputs: [{ file_type: 'OF_LATER', gcp: null }] }, { ...room, image_outputs: [{ capture_interval: '5' }] },
    { ...room, image_outputs: [{ capture_interval: -1 }] }, '{"room_name":"nobody"} and more', '', 'null', '[]', '"x"',
    '\ufeff{}', '{"room_name":"\\ud800"}', "{'room_name':'r'}", '{"room_name":"r",}', '{"room_name":"r"/**/}',
  ];
  const token = service.token();
  const seen = new Set();
  for (const body of bodies.map((body) => (typeof body === 'string' ? body : JSON.stringify(body)))) {
    // What names no room, their server hands to an egress service: that none is there takes it long to find out.
    const ours = await service.call('StartRoomCompositeEgress', body);
    if (/^\{("room_name":null)?\}$/.test(body)) {
      assert.deepEqual([ours.status, ours.json.code], [400, 'invalid_argument'], body);
      continue;
    }
    const theirs = await livekit(scene.server, 'StartRoomCompositeEgress', body, token);
    const code = JSON.parse(theirs.text).code;
    seen.add(code);
    assert.deepEqual([ours.status, ours.json?.code], [theirs.status, code], `${body}: ${ours.text}`);
  }
  assert.deepEqual([...seen].sort(), ['malformed', 'not_found']);

  const file = { filepath: 'a.ogg' };
  for (const [method, body] of Object.entries({
    StartRoomCompositeEgress: { ...room, file_outputs: [file] },
    StartParticipantEgress: { ...room, identity: 'a', file_outputs: [file] },
    StartTrackCompositeEgress: { ...room, audio_track_id: 'TR_a', file_outputs: [file] },
    StartTrackEgress: { ...room, track_id: 'TR_a', file },
    StartEgress: { ...room, media: { audio: { capture_all: true } }, outputs: [{ file }] },
  })) {
    const began = Date.now();
    const [theirs, ours] = [await livekit(scene.server, method, JSON.stringify(body), token), await service.call(method, body)];
    assert.deepEqual([ours.status, ours.json.code], [404, 'not_found'], method);
    assert.equal(theirs.status, 404, method);
    assert.match(ours.json.msg, /requested room does not exist/);
    assert.match(theirs.text, /requested room does not exist/);
    assert.ok(Date.now() - began < 2000, 'at once');
  }
  assert.deepEqual(await service.egress.listEgress(), [], 'nothing was begun');
});
