// Tests of times. They measure what a real publisher sends, and a publisher who gets the processor late says so in the
// times that it sends: what is measured then is the machine. Such a test is run again, three times at most.

import { test as once } from 'node:test';
import { Person } from './people.mjs';

const TRIES = 3;

/** As `test` of node:test; `t` has `after`. */
export function test(name, options, body = options) {
  return once(name, typeof options === 'function' ? {} : options, async (t) => {
    for (let tries = 1; ; tries++) {
      const closing = [];
      const before = Person.late.length;
      try {
        return await body({ after: (act) => closing.push(act) });
      } catch (error) {
        const late = Person.late.slice(before);
        if (tries === TRIES || error.code !== 'ERR_ASSERTION' || !late.length) throw error;
        t.diagnostic(`run again: a publisher was late ${late.length} times, ${Math.max(...late).toFixed()} ms at most (${error.message})`);
      } finally {
        for (const act of closing.reverse()) await act();
      }
    }
  });
}
