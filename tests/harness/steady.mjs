// Tests of times. They measure what a real publisher sends, and a publisher who gets the processor late says so in the
// times that it sends; and a browser that gets it late draws late. What is measured then is the machine. Such a test is
// run again, three times at most; where other files run beside it, the whole file is instead (lanes.mjs). What could not
// be measured even then has neither held nor failed: it is told as skipped, and a run with many of them fails.

import { readFileSync } from 'node:fs';
import { test as once } from 'node:test';
import { Person } from './people.mjs';

const TRIES = process.env.TALLYLIGHT_TESTS_BESIDE ? 1 : 3;
/** With less of the processors unused than this, something got them late: the heaviest test leaves a quarter. */
const UNUSED = 0.1;
/** A bar that is missed by more than this many times is a fault on any machine. */
const NOISE = 10;

/** Ticks of all processors so far: all, and those in which nothing ran. */
function ticks() {
  const counts = /^cpu +(.*)/.exec(readFileSync('/proc/stat', 'utf8'))[1].split(' ').map(Number);
  return { all: counts.slice(0, 8).reduce((a, b) => a + b), unused: counts[3] + counts[4] };
}

/** As `test` of node:test; `t` has `after` and `diagnostic`. */
export function test(name, options, body = options) {
  return once(name, typeof options === 'function' ? {} : options, async (t) => {
    for (let tries = 1; ; tries++) {
      const closing = [];
      const [before, from] = [Person.late.length, ticks()];
      try {
        return await body({ after: (act) => closing.push(act), diagnostic: (text) => t.diagnostic(text) });
      } catch (error) {
        const [late, to] = [Person.late.slice(before), ticks()];
        const unused = (to.unused - from.unused) / (to.all - from.all);
        if (error.code !== 'ERR_ASSERTION' || (!late.length && unused > UNUSED)) throw error;
        const lateness = late.length ? `a publisher was late ${late.length} times, ${Math.max(...late).toFixed()} ms at most; ` : '';
        const why = `${lateness}${Math.round(unused * 100)} % of the processors were unused (${error.message})`;
        if (tries < TRIES) {
          t.diagnostic(`run again: ${why}`);
          continue;
        }
        // Only a measure: what is wrong in itself is wrong on a busy machine too.
        if (TRIES === 1 || !(error.over <= NOISE)) throw error;
        t.diagnostic(`not measured: ${why}`);
        return t.skip('publishers or all of the machine were late in each of three tries');
      } finally {
        for (const act of closing.reverse()) await act();
      }
    }
  });
}
