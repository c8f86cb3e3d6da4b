// npm run bench: measures what is promised, on a release build, and prints a table.
// npm run bench -- --json [NAME…]: the same as one JSON array of {name, value, unit, bar, holds}.
// The rows named `hour-…` take an hour together and run only when one of them, or `hour`, is named.

import { parseArgs } from 'node:util';
import { buildBinaries } from '../build.mjs';
import { say, setup } from '../setup.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });

// Standard output is for the result alone.
const print = process.stdout.write.bind(process.stdout);
console.log = console.error;

await setup('test');
const { BENCHES } = await import('./rows.mjs');

const known = BENCHES.flatMap((bench) => bench.names);
const wrong = positionals.filter((name) => name !== 'hour' && !known.includes(name));
if (wrong.length) {
  console.error(`No such row: ${wrong.join(' ')}. There are: ${known.join(' ')}`);
  process.exit(2);
}
const asked = (bench) => {
  const names = positionals.flatMap((name) => (name === 'hour' ? known.filter((row) => row.startsWith('hour-')) : [name]));
  return names.length ? bench.names.some((name) => names.includes(name)) : !bench.names[0].startsWith('hour-');
};

say('building for release');
const binaries = await buildBinaries(['tallylight-job', 'tallylight-worker'], { release: true, quiet: true });

const rows = [];
let broken = false;
for (const bench of BENCHES.filter(asked)) {
  say(`measuring ${bench.names.join(', ')}`);
  try {
    for (const row of await bench.measure(binaries)) {
      // `least`: more is better.
      const { name, value, unit, bar, least = false } = row;
      const holds = least ? value >= bar : value <= bar;
      rows.push({ name, value: Number(value.toFixed(Math.abs(value) < 1 ? 4 : 2)), unit, bar, least, holds, what: row.what });
    }
  } catch (error) {
    broken = true;
    say(`${bench.names.join(', ')}: ${error.stack}`);
    for (const name of bench.names) rows.push({ name, value: null, unit: '', bar: null, holds: false, what: error.message.split('\n')[0] });
  }
}

if (values.json) {
  print(`${JSON.stringify(rows.map(({ name, value, unit, bar, holds }) => ({ name, value, unit, bar, holds })))}\n`);
} else {
  const line = (cells) => `${cells[0].padEnd(20)} ${cells[1].padStart(10)} ${cells[2].padEnd(10)} ${cells[3].padStart(8)}  ${cells[4].padEnd(5)}  ${cells[5]}\n`;
  print(line(['name', 'value', 'unit', 'bar', 'holds', 'what']));
  for (const r of rows) print(line([r.name, String(r.value ?? '–'), r.unit, `${r.least ? '≥' : '≤'} ${r.bar ?? '–'}`, r.holds ? 'yes' : 'NO', r.what ?? '']));
}
process.exit(broken || rows.some((row) => !row.holds) ? 1 : 0);
