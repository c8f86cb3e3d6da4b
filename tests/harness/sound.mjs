// Makes the sound of synthetic people, sample by sample from the common clock.

import { beepHz, FLASH_MS, SAMPLE_RATE_HZ } from './schedule.mjs';

const BEEP_SAMPLES = (SAMPLE_RATE_HZ * FLASH_MS) / 1000;
// Half steps above the person's base note; a tune of four seconds.
const TUNE = [0, 4, 7, 12, 7, 4, 9, 5];

/** The sound of one person. Sample 0 lies on the person's origin, a whole second. */
export class Sound {
  /** @param {{person: number, voice?: 'beeps' | 'tune' | 'song' | 'tone'}} of a song is a tune without the beeps, a tone a beep that never ends */
  constructor({ person, voice = 'beeps' }) {
    this.beep = (2 * Math.PI * beepHz(person)) / SAMPLE_RATE_HZ;
    this.base = 110 * 2 ** ((person * 5) / 12);
    this.voice = voice;
  }

  /** Fills `out` (mono, 16 bit) with the samples from number `first` on. */
  fill(out, first) {
    for (let i = 0; i < out.length; i++) {
      const n = first + i;
      const inSecond = n % SAMPLE_RATE_HZ;
      if (this.voice === 'tone') {
        out[i] = 6000 * Math.sin(this.beep * inSecond);
        continue;
      }
      let v = this.voice === 'beeps' ? 0 : this.#tune(n);
      // No ramp: the onset is what is measured.
      if (inSecond < BEEP_SAMPLES && this.voice !== 'song') v += 9000 * Math.sin(this.beep * inSecond);
      out[i] = v;
    }
    return out;
  }

  #tune(n) {
    const note = Math.floor((n / SAMPLE_RATE_HZ) * 2);
    const within = n % (SAMPLE_RATE_HZ / 2);
    const hz = this.base * 2 ** (TUNE[note % TUNE.length] / 12);
    const fade = Math.exp(-within / (SAMPLE_RATE_HZ * 0.18));
    const t = (2 * Math.PI * hz * within) / SAMPLE_RATE_HZ;
    return 5000 * fade * (Math.sin(t) + 0.4 * Math.sin(2 * t) + 0.2 * Math.sin(3 * t));
  }
}
