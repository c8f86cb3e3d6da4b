// What synthetic people show and play, and when. The publisher draws by it, the content checks read by it.
//
// One clock for everybody: unix time. Every person flashes and beeps on each whole second; frame number n of
// a person who shows `fps` pictures a second belongs to the instant `n / fps` seconds after that person's
// origin, which is a whole second too. So a frame number is a time, and a flash is a frame number.

/** Length of the white flash and of the beep, ms. */
export const FLASH_MS = 100;

/** Samples a second of everything that is published. */
export const SAMPLE_RATE_HZ = 48000;

/** Bits in the picture's code: 4 for the person, 20 for the frame number, 8 of check sum. */
export const CODE_COLUMNS = 8;
export const CODE_ROWS = 4;
/** A code block is this fraction of the picture's width and height. */
export const BLOCK_W = 1 / 16;
export const BLOCK_H = 1 / 12;

/** The beep of each person, Hz. Multiples of 100, so that a window of 10 ms tells any two apart. */
const BEEPS_HZ = [500, 700, 900, 1100, 1300, 1500, 1700, 1900, 2100, 2300, 2500, 2700, 2900, 3100, 3300, 3500];

/** Backgrounds as Y, U, V. Far apart in colour, none near white. */
const COLOURS = [
  { name: 'red', yuv: [75, 100, 190] },
  { name: 'green', yuv: [95, 85, 80] },
  { name: 'blue', yuv: [60, 185, 115] },
  { name: 'amber', yuv: [125, 55, 160] },
  { name: 'violet', yuv: [70, 165, 165] },
  { name: 'teal', yuv: [95, 140, 85] },
  { name: 'rose', yuv: [110, 125, 170] },
  { name: 'olive', yuv: [90, 80, 125] },
];

/** Number of people that can be told apart. */
export const PEOPLE = BEEPS_HZ.length;

export function beepHz(person) {
  return BEEPS_HZ[person % BEEPS_HZ.length];
}

export function colour(person) {
  return COLOURS[person % COLOURS.length];
}

/** The 32 bits that are drawn for a frame of a person. */
export function encodeCode(person, frame) {
  const body = ((person & 0xf) << 20) | (frame & 0xfffff);
  return ((body << 8) | crc8(body)) >>> 0;
}

/** `{person, frame}` of 32 bits read from a picture, or null if the check sum does not hold. */
export function decodeCode(bits) {
  const body = bits >>> 8;
  if (crc8(body) !== (bits & 0xff)) return null;
  return { person: body >>> 20, frame: body & 0xfffff };
}

// Starts from a value that makes neither an all-black nor an all-white picture valid.
function crc8(body) {
  let crc = 0x5a;
  for (let shift = 16; shift >= 0; shift -= 8) {
    crc ^= (body >>> shift) & 0xff;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}

/** Unix time with sub-millisecond steps, ms, never backwards within a process. */
export function nowMs() {
  return performance.timeOrigin + performance.now();
}
