// LiveKit access tokens and RoomService calls, as far as tests want them.

import { createHmac } from 'node:crypto';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A room token. `kind: 'egress'` with `hidden` and `recorder` makes a recorder's. */
export function token({ key, secret }, grants) {
  const { identity, name, room, publish = false, hidden = false, recorder = false, kind } = grants;
  const now = Math.floor(Date.now() / 1000);
  const video = {
    roomJoin: true,
    room,
    canPublish: publish,
    canPublishData: publish,
    canSubscribe: true,
    ...(hidden && { hidden }),
    ...(recorder && { recorder }),
  };
  return sign(secret, { iss: key, sub: identity, jti: identity, name, video, kind, nbf: now - 60, exp: now + 24 * 3600 });
}

/** The token that Tallylight's studio gives a job. */
export function recorderToken(server, { identity, room }) {
  return token(server, { identity, room, hidden: true, recorder: true, kind: 'egress' });
}

/** The token by which the studio watches a room. */
export function monitorToken(server, { identity, room }) {
  return token(server, { identity, room, hidden: true, kind: 'agent' });
}

export function sign(secret, claims) {
  const head = `${b64({ alg: 'HS256', typ: 'JWT' })}.${b64(claims)}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

/** A call to LiveKit's RoomService, for instance `roomService(server, 'DeleteRoom', {room})`. */
export async function roomService(server, method, body) {
  const now = Math.floor(Date.now() / 1000);
  const video = { roomCreate: true, roomList: true, roomAdmin: true, room: body.room ?? body.name };
  const bearer = sign(server.secret, { iss: server.key, video, nbf: now - 60, exp: now + 600 });
  const answer = await fetch(`${server.url.replace(/^ws/, 'http')}/twirp/livekit.RoomService/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
