// A scene outside of a test: the same, with an end that the bench calls.

import { Scene } from '../harness/scene.mjs';

/** Opens a scene, runs `act` in it and closes it, whatever happens. */
export async function inScene(options, act) {
  const ends = [];
  const scene = await Scene.open({ after: (end) => ends.push(end) }, options);
  try {
    return await act(scene);
  } finally {
    for (const end of ends) await end();
  }
}

/** 720p30 H.264 that really takes 1.5 Mb/s: its noise keeps the encoder at its limit. */
export const CAMERA = { codec: 'h264', width: 1280, height: 720, fps: 30, bitrateBps: 1_500_000, noise: 0.25 };
