// Runs in every document before its own scripts.

// What a page that nobody sits in front of has no use for: questions would stand before the picture.
Object.assign(window, { alert: () => {}, confirm: () => true, prompt: () => null, print: () => {}, close: () => {} });

// What a page says is carried to the recorder whole, which keeps it in memory: text without end is cut before.
for (const [name, say] of Object.entries(console)) {
  const LONGEST = 4096;
  const cut = (what) => (typeof what === "string" && what.length > LONGEST ? what.slice(0, LONGEST) : what);
  if (typeof say === "function") console[name] = (...all) => say.apply(console, all.map(cut));
}

// LiveKit servers put each track of a participant into a media stream of its own ("PA_…|TR_…"), and Chromium keeps in
// sync only what is in the same one: pictures are shown as they come, sound a tenth of a second later, for its jitter
// buffer and the loudspeaker's. Here pictures wait for as long as the sound of the same participant does. The pictures'
// own way to the screen is not counted: the capture takes that out for every page.
(() => {
  if (!window.RTCPeerConnection?.prototype.getStats || !("jitterBufferTarget" in RTCRtpReceiver.prototype)) return;
  /** How long sound takes before it was measured, ms. */
  const SOUND_MS = 200;
  /** So much of the time that is asked for is kept for drawing, ms: measured, with publishers that are never late. */
  const DRAWING_MS = 20;
  /** A picture that waits for another time stutters once: less than this is let be, ms. */
  const LET_BE_MS = 10;
  /** What is seen is put right at the next look, ms. */
  const SEEN_MS = 40;
  /**
   * Between two looks. On a busy machine sound piles up in its jitter buffer, for seconds even, and is given back at a
   * fifth of a second each second: pictures have to follow that.
   */
  const EVERY_MS = 500;
  /** What is not seen is put right by the mean of so many looks: one alone swings. */
  const LOOKS = 4;

  const watch = (connection) => {
    /** How long the sound of each participant took at the last looks, ms; of "all", for those who have none. */
    const taken = new Map();
    let before = new Map();
    const participant = (stream) => /^(PA_\w+)\|TR_/.exec(stream?.id ?? "")?.[1];
    const tracks = new Map();

    const due = ({ person, asked, looks }) => {
      const all = taken.get(person) ?? taken.get("all") ?? [];
      const last = (all.at(-1) ?? SOUND_MS) + DRAWING_MS;
      if (asked === null || !all.length) return asked ?? last;
      if (Math.abs(last - asked) >= SEEN_MS) return last;
      const mean = all.reduce((a, b) => a + b) / all.length + DRAWING_MS;
      return looks >= LOOKS && all.length === LOOKS && Math.abs(mean - asked) >= LET_BE_MS ? mean : asked;
    };

    const wait = (one) => {
      // A page that decides this by itself is left to.
      if (one.receiver.jitterBufferTarget !== one.asked) return;
      const ms = Math.round(due(one));
      one.looks += 1;
      if (ms === one.asked) return;
      one.receiver.jitterBufferTarget = ms;
      one.asked = one.receiver.jitterBufferTarget;
      one.looks = 0;
    };

    connection.addEventListener("track", ({ track, receiver, streams }) => {
      const person = participant(streams[0]);
      if (!person) return;
      const one = { kind: track.kind, receiver, person, asked: receiver.jitterBufferTarget, looks: 0 };
      tracks.set(track.id, one);
      if (one.kind === "video") wait(one);
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
      const sounds = new Map();
      for (const one of now.values()) {
        const track = one.type === "inbound-rtp" && one.kind === "audio" && tracks.get(one.trackIdentifier);
        const buffered = track ? mean(one, "jitterBufferDelay", "jitterBufferEmittedCount") : null;
        if (buffered !== null && loudspeaker !== null) sounds.set(track.person, buffered + loudspeaker);
      }
      if (sounds.size) sounds.set("all", [...sounds.values()].reduce((a, b) => a + b) / sounds.size);
      // Of a sound that pauses nothing is known: its buffer begins anew.
      for (const person of new Set([...taken.keys(), ...sounds.keys()])) {
        const ms = sounds.get(person);
        taken.set(person, ms === undefined ? [] : [...(taken.get(person) ?? []), ms].slice(-LOOKS));
      }
      before = now;
      for (const [id, one] of tracks) {
        if (one.receiver.track.readyState === "ended") tracks.delete(id);
        else if (one.kind === "video") wait(one);
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
