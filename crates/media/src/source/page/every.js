// Runs in every document before its own scripts.

// What a page that nobody sits in front of has no use for: questions would stand before the picture.
Object.assign(window, { alert: () => {}, confirm: () => true, prompt: () => null, print: () => {}, close: () => {} });

// LiveKit servers put each track of a participant into a media stream of its own ("PA_…|TR_…"), and Chromium keeps in
// sync only what is in the same one: pictures are shown as they come, sound a tenth of a second later, for its jitter
// buffer and the loudspeaker's. Here pictures wait for as long as the sound of the same participant does. The pictures'
// own way to the screen is not counted: the capture takes that out for every page.
(() => {
  if (!window.RTCPeerConnection?.prototype.getStats || !("jitterBufferTarget" in RTCRtpReceiver.prototype)) return;
  /** How long sound takes before it was measured, ms. */
  const SOUND_MS = 120;
  /** So much of the time that is asked for is kept for drawing, ms. */
  const DRAWING_MS = 10;
  /** A picture that waits for another time stutters once: less than this is let be, ms. */
  const LET_BE_MS = 10;
  const EVERY_MS = 2000;

  const watch = (connection) => {
    const delays = new Map();
    let before = new Map();
    const participant = (stream) => /^(PA_\w+)\|TR_/.exec(stream?.id ?? "")?.[1];
    const tracks = new Map();

    const wait = ({ receiver, person, asked }) => {
      // A page that decides this by itself is left to.
      if (receiver.jitterBufferTarget !== asked) return asked;
      const ms = Math.round((delays.get(person) ?? delays.get("all") ?? SOUND_MS) + DRAWING_MS);
      if (asked !== null && Math.abs(ms - asked) < LET_BE_MS) return asked;
      receiver.jitterBufferTarget = ms;
      return receiver.jitterBufferTarget;
    };

    connection.addEventListener("track", ({ track, receiver, streams }) => {
      const person = participant(streams[0]);
      if (!person) return;
      const one = { kind: track.kind, receiver, person, asked: receiver.jitterBufferTarget };
      tracks.set(track.id, one);
      if (one.kind === "video") one.asked = wait(one);
    });

    const look = async () => {
      if (connection.connectionState === "closed") return clearInterval(timer);
      if (!tracks.size) return;
      const stats = await connection.getStats();
      const now = new Map([...stats.values()].map((one) => [one.id, one]));
      const mean = (one, sum, count) => {
        const old = before.get(one.id);
        const n = one[count] - (old?.[count] ?? 0);
        return n > 0 ? (1000 * (one[sum] - (old?.[sum] ?? 0))) / n : null;
      };
      let loudspeaker = null;
      for (const one of now.values()) {
        if (one.type === "media-playout") loudspeaker = mean(one, "totalPlayoutDelay", "totalSamplesCount");
      }
      const sounds = [];
      for (const one of now.values()) {
        const track = one.type === "inbound-rtp" && one.kind === "audio" && tracks.get(one.trackIdentifier);
        const buffered = track ? mean(one, "jitterBufferDelay", "jitterBufferEmittedCount") : null;
        if (buffered === null || loudspeaker === null) continue;
        delays.set(track.person, buffered + loudspeaker);
        sounds.push(buffered + loudspeaker);
      }
      if (sounds.length) delays.set("all", sounds.reduce((a, b) => a + b) / sounds.length);
      before = now;
      for (const [id, one] of tracks) {
        if (one.receiver.track.readyState === "ended") tracks.delete(id);
        else if (one.kind === "video") one.asked = wait(one);
      }
    };
    const timer = setInterval(() => look().catch(() => {}), EVERY_MS);
  };

  window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
    construct(target, rest, proxy) {
      const connection = Reflect.construct(target, rest, proxy);
      watch(connection);
      return connection;
    },
  });
})();
