// The template in a real room: who is in which place of the picture, and what LiveKit's contract asks of a template.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Scene } from '../harness/scene.mjs';
import { recorderToken, roomService } from '../harness/token.mjs';
import { sleep, until } from '../harness/wait.mjs';
import { ROOT } from '../setup.mjs';
import { browser, serve, Template, TEMPLATE } from './page.mjs';

const VIDEO = { codec: 'vp8', width: 320, height: 180, fps: 15, bitrateBps: 300_000 };
const stock = (name) => JSON.parse(readFileSync(join(ROOT, `layouts/stock/${name}.json`), 'utf8'));

let chrome;
let host;

before(async () => {
  host = await serve(TEMPLATE);
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await host?.close();
});

/** The template as a recorder of the scene's room. */
async function record(scene, options = {}) {
  const identity = options.identity ?? 'EG_template';
  const token = recorderToken(scene.server, { identity, room: scene.room });
  const template = await Template.open(chrome, host.base, { url: scene.server.url, token, layout: 'grid', ...options });
  scene.onClose(() => template.close());
  return template;
}

/** Everybody's place, fractions of the frame, by hand from what the layouts' names promise. */
const FULL = [0, 0, 1, 1];
const QUARTERS = [[0.02, 0.02, 0.47, 0.47], [0.5, 0.02, 0.47, 0.47], [0.02, 0.51, 0.47, 0.47], [0.5, 0.51, 0.47, 0.47]];
const MAIN = [0.02, 0.02, 0.76, 0.96];
const STRIP = [[0.8, 0.1, 0.18, 0.24], [0.8, 0.38, 0.18, 0.24], [0.8, 0.66, 0.18, 0.24]];
const PAIR = [[0.02, 0.03, 0.46, 0.68], [0.52, 0.03, 0.46, 0.68]];
const BELOW = [[0.27, 0.76, 0.22, 0.22], [0.51, 0.76, 0.22, 0.22]];
const INSET = [0.74, 0.72, 0.235, 0.24];
const ON_ITS_SIDE = [[0.02, 0.02, 0.47, 0.47], [0.51, 0.02, 0.47, 0.47], [0.02, 0.51, 0.47, 0.47], [0.51, 0.51, 0.47, 0.47]];
const TOP = [0.02, 0.02, 0.96, 0.58];
const UNDER = [[0.02, 0.63, 0.47, 0.17], [0.51, 0.63, 0.47, 0.17], [0.27, 0.81, 0.47, 0.17]];

// With person 2 speaking. A portrait layout in a landscape frame is nobody's wish.
const EXPECTED = [
  ['grid', [[QUARTERS[0], 0], [QUARTERS[1], 1], [QUARTERS[2], 2], [QUARTERS[3], 3]]],
  ['speaker', [[MAIN, 2], [STRIP[0], 0], [STRIP[1], 1], [STRIP[2], 3]]],
  ['single-speaker', [[FULL, 2]]],
  ['side-by-side', [[PAIR[0], 0], [PAIR[1], 1], [BELOW[0], 2], [BELOW[1], 3]]],
  ['picture-in-picture', [[FULL, 2], [INSET, 0]]],
];
const PORTRAIT = [
  ['grid-portrait', [[ON_ITS_SIDE[0], 0], [ON_ITS_SIDE[1], 1], [ON_ITS_SIDE[2], 2], [ON_ITS_SIDE[3], 3]]],
  ['speaker-portrait', [[TOP, 2], [UNDER[0], 0], [UNDER[1], 1], [UNDER[2], 3]]],
];

async function everyPlace(template, places, what) {
  let seen;
  const right = async () => {
    const shot = await template.shot();
    seen = places.map(([place]) => shot.person(place));
    return places.every(([, person], i) => seen[i] === person);
  };
  // Pictures flash once a second, and one shot in ten meets a flash.
  await until('', right, { withinMs: 4000, everyMs: 150 }).catch(() => {});
  assert.deepEqual(seen, places.map(([, person]) => person), what);
}

test('a room of four', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const names = ['Ada Lovelace', 'محمد عبد الله', '🦊 Foxy', 'Maximiliane-Josephine von Hohenstein-Breitenbach the Third'];
  const people = [];
  for (const [i, name] of names.entries()) {
    const audio = i === 2 ? { voice: 'song' } : i === 3;
    people.push(await scene.person(i, { video: VIDEO, ...(audio && { audio }) }, { name }));
  }
  const template = await record(scene);
  await template.started();

  await t.test('begins when the pictures are there', async () => {
    const shot = await template.shot();
    assert.deepEqual(QUARTERS.map((place) => shot.person(place)), [0, 1, 2, 3]);
    assert.equal(template.console.filter(({ text }) => text === 'START_RECORDING').length, 1);
  });

  await t.test('shows the pictures as they come, not a still', async () => {
    const first = await until('a code', async () => (await template.shot()).code((await template.tiles())['camera:person-0']));
    assert.equal(first.person, 0);
    await until('a later picture', async () => {
      const code = (await template.shot()).code((await template.tiles())['camera:person-0']);
      return code && code.frame > first.frame + 5;
    });
  });

  for (const [name, places] of EXPECTED) {
    for (const end of ['', '-light']) {
      await t.test(`has everybody in their place: ${name}${end}`, async () => {
        assert.deepEqual(await template.setLayout(name + end), { ok: true, layout: name + end });
        if (places[0][1] === 2) await until('the speaker', async () => (await template.tiles())['camera:person-2']?.x < 20);
        await template.settled();
        await everyPlace(template, places, name + end);
        if (places[0][0] === FULL) return;
        const { width, luma } = await template.shot().then((shot) => ({ width: shot.width, luma: shot.luma(2, 2) }));
        assert.equal(width, 1280);
        assert.ok(end ? luma > 200 : luma < 40, `background of ${name}${end}: ${luma}`);
      });
    }
  }

  await t.test('stands on its side', async () => {
    await template.page.setViewportSize({ width: 720, height: 1280 });
    for (const [name, places] of PORTRAIT) {
      for (const end of ['', '-light']) {
        assert.deepEqual(await template.setLayout(name + end), { ok: true, layout: name + end });
        await template.settled();
        await everyPlace(template, places, name + end);
      }
    }
    await template.page.setViewportSize({ width: 1280, height: 720 });
  });

  await t.test('gives way to the speaker while somebody shares a screen', async () => {
    await template.setLayout('grid');
    await people[1].publishVideo({ ...VIDEO, source: 'screen', drawnAs: 6 });
    await until('the speaker layout', async () => (await template.layout()) === 'speaker');
    await template.settled();
    const tile = (await template.tiles())['screen:person-1'];
    const code = await until('the screen', async () => (await template.shot()).code(tile));
    assert.equal(code.person, 6);
    await everyPlace(template, [[[0.02, 0.13, 0.76, 0.74], 6], [[0.8, 0.02, 0.18, 0.22], 0], [[0.8, 0.27, 0.18, 0.22], 1]], 'shared');
    await people[1].unpublish('screen');
    await until('the grid again', async () => (await template.layout()) === 'grid');
    await template.settled();
    await everyPlace(template, EXPECTED[0][1], 'grid again');
  });

  await t.test('shows a card while a camera is off', async () => {
    const before = (await template.tiles())['camera:person-0'];
    await people[0].mute('camera');
    const disc = () => template.page.evaluate(() => document.querySelector('[data-key="camera:person-0"] .disc')?.textContent);
    await until('the card', async () => (await template.shot()).person(QUARTERS[0]) === null);
    assert.equal(await disc(), 'AL');
    assert.deepEqual((await template.tiles())['camera:person-0'], before);
    await people[0].unmute('camera');
    await until('the camera', async () => (await template.shot()).person(QUARTERS[0]) === 0);
  });

  await t.test('UpdateLayout, by metadata as a LiveKit server sends it', async () => {
    const to = (layout) =>
      roomService(scene.server, 'UpdateParticipant', { room: scene.room, identity: 'EG_template', metadata: JSON.stringify({ layout }) });
    const ms = [];
    for (const name of ['speaker', 'grid-light', 'single-speaker', 'grid']) {
      ms.push(await timed(template, name, () => to(name)));
    }
    await to('single-speaker-of-the-house');
    await until('the name as LiveKit reads it', async () => (await template.layout()) === 'single-speaker');
    await to(JSON.stringify({ ...stock('speaker'), name: 'by-metadata' }));
    await until('a whole document', async () => (await template.layout()) === 'by-metadata');
    await to('{"format": 1}');
    const refusal = await until('the refusal', () => template.console.find(({ text }) => text.startsWith('layout refused')));
    assert.equal(refusal.text, 'layout refused:  name is missing.');
    assert.equal(await template.layout(), 'by-metadata');
    t.diagnostic(`UpdateLayout by metadata, call to picture: ${ms.map(Math.round).join(', ')} ms`);
  });

  await t.test('a change of layout asked of the page itself', async () => {
    const ms = [];
    for (const name of ['grid', 'speaker', 'picture-in-picture', 'side-by-side-light', 'grid']) {
      ms.push(await timed(template, name, () => template.setLayout(name)));
    }
    t.diagnostic(`setLayout, call to picture: ${ms.map(Math.round).join(', ')} ms`);
    // On the way between two layouts, tiles are between their places.
    await template.settled();
    const from = (await template.tiles())['camera:person-3'];
    const way = await template.page.evaluate(async () => {
      const tile = document.querySelector('[data-key="camera:person-3"]');
      await window.tallylight.setLayout('speaker');
      const seen = [];
      const until = performance.now() + 600;
      while (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen.push(tile.getBoundingClientRect().width);
      }
      return seen;
    });
    const to = way.at(-1);
    assert.ok(to < from.width / 2, `${from.width} → ${to}`);
    assert.ok(way.some((width) => width < from.width * 0.95 && width > to * 1.1), `no step between: ${way}`);
  });

  await t.test('a cut in the middle of a transition shows everybody at once', async () => {
    await template.setLayout('grid');
    await template.settled();
    const cut = { ...stock('grid'), name: 'cut', transition: { ms: 0, easing: 'linear' } };
    await template.page.evaluate(async (document) => {
      await window.tallylight.setLayout('single-speaker');
      await new Promise((resolve) => setTimeout(resolve, 120));
      await window.tallylight.setLayout(document);
    }, cut);
    await everyPlace(template, EXPECTED[0][1], 'after the cut');
  });

  await t.test('refuses what is broken, and the picture stays', async () => {
    await template.setLayout('grid');
    await template.settled();
    const broken = { ...stock('speaker'), regions: [{ ...stock('speaker').regions[0], x: 0.9 }] };
    const answer = await template.setLayout(broken);
    assert.deepEqual(answer, {
      ok: false,
      error: { path: '/regions/0/width', reason: 'x and width together are more than 1: the region leaves the frame on the right.' },
    });
    assert.equal((await template.setLayout('nowhere')).error.reason, 'There is no layout called nowhere.');
    assert.equal(await template.layout(), 'grid');
    await everyPlace(template, EXPECTED[0][1], 'after a refusal');
  });

  await t.test("draws a producer's own layout that lies beside the page", async () => {
    const half = { x: 0, y: 0, width: 0.5, height: 1, who: { pinned: { identity: 'person-3' } } };
    const mine = { ...stock('grid'), name: 'mine', regions: [half, { ...half, x: 0.5, who: { person: { n: 2 } } }], variants: [] };
    host.extra['layouts/mine.json'] = JSON.stringify(mine);
    assert.deepEqual(await template.setLayout('mine'), { ok: true, layout: 'mine' });
    await template.settled();
    await everyPlace(template, [[[0, 0, 0.5, 1], 3], [[0.5, 0, 0.5, 1], 1]], 'mine');
  });

  await t.test('ends with the room', async () => {
    const shot = await template.shot();
    assert.equal(template.said('END_RECORDING'), undefined);
    await roomService(scene.server, 'DeleteRoom', { room: scene.room });
    await until('END_RECORDING', () => template.said('END_RECORDING'));
    // The last pictures of a recording are not of people who vanish.
    assert.equal(await template.layout(), 'mine');
    assert.equal(Object.keys(await template.tiles()).length, 2, `${shot.width}`);
    assert.deepEqual(template.console.filter(({ text }) => text.startsWith('PAGE ERROR')), []);
  });
});

/** Milliseconds from the call to the picture after the one in which the page knew. */
async function timed(template, name, call) {
  await template.settled();
  const seen = template.page.evaluate(
    (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const there = document.querySelector('.stage').dataset.layout === wanted;
          requestAnimationFrame(there ? () => resolve(Date.now()) : look);
        };
        look();
      }),
    name,
  );
  const from = Date.now();
  await call();
  return (await seen) - from;
}

test('an empty room, then sound alone', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  await roomService(scene.server, 'CreateRoom', { name: scene.room });
  const template = await record(scene, { layout: 'speaker-light' });
  await until('the stage', () => template.layout());
  await sleep(3000);
  assert.equal(template.said('START_RECORDING'), undefined);
  assert.equal(await template.error(), null);
  assert.deepEqual(await template.tiles(), {});

  const joined = Date.now();
  await scene.person(1, { audio: { voice: 'song' } }, { name: 'Radio' });
  const { atMs } = await template.started();
  assert.ok(atMs - joined > 900, `started after ${atMs - joined} ms, before a camera had a chance`);
  assert.deepEqual(Object.keys(await template.tiles()), ['camera:person-1']);
  const sound = await template.page.evaluate(() =>
    [...document.querySelectorAll('audio')].map(({ paused, muted, srcObject }) => [paused, muted, srcObject?.active]),
  );
  assert.deepEqual(sound, [[false, false, true]]);
});

test('a phone is seen whole while it is held upright, and fills its tile when it is turned', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const person = await scene.person(5, { video: { ...VIDEO, width: 180, height: 320 } });
  const template = await record(scene, { layout: 'single-speaker' });
  await template.started();
  // As wide as a picture of 9 by 16 is that is as high as the frame.
  const UPRIGHT = [437 / 1280, 0, 405 / 1280, 1];
  const lies = async () => {
    const shot = await template.shot();
    const bars = [[100, 360], [1180, 360], [430, 360], [850, 360]].map(([x, y]) => shot.luma(x, y) < 40);
    return { upright: shot.person(UPRIGHT), bars: bars.every(Boolean), wide: shot.person([0.1, 0, 0.3, 1]) };
  };
  const whole = async () => {
    const { upright, bars } = await lies();
    return upright === 5 && bars;
  };
  await until('all of it between bars', whole);
  for (let turn = 0; turn < 2; turn++) {
    await person.turn();
    await until('it fills the frame', async () => (await lies()).wide === 5);
    await person.turn();
    await until('all of it again', whole);
  }
});

test('asks for each picture in the size that is shown', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const large = { codec: 'vp8', width: 1280, height: 720, fps: 10, bitrateBps: 1_500_000, simulcast: true };
  await scene.person(1, { video: large });
  const template = await record(scene, { layout: 'speaker' });
  await template.started();
  const width = () => template.page.evaluate(() => document.querySelector('[data-key="camera:person-1"] video').videoWidth);
  await until('the largest layer', async () => (await width()) === 1280);
  const second = await scene.person(2, { video: VIDEO, audio: { voice: 'song' } });
  await until('a place in the strip', async () => (await template.tiles())['camera:person-1'].width < 300);
  await until('a smaller layer', async () => (await width()) <= 640);
  await second.leave();
  await until('the largest layer again', async () => (await width()) === 1280);
});

test('a connection that breaks: the picture stands, then goes on', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(4, { video: VIDEO });
  const template = await record(scene, { layout: 'single-speaker' });
  await template.started();
  await template.settled();
  const code = async () => (await template.shot()).code({ x: 0, y: 0, width: 1280, height: 720 });
  const before = await until('a picture', code);
  await scene.server.kill();
  await sleep(1500);
  assert.equal((await template.shot()).person(FULL), 4, 'the last picture has to stand');
  await scene.server.run();
  // Publisher and page both try again with growing pauses.
  const goesOn = async () => {
    const now = await code();
    return now && now.frame > before.frame + 30 && now;
  };
  const later = await until('pictures again', goesOn, { withinMs: 75_000 });
  assert.equal(later.person, 4);
  assert.equal(template.said('END_RECORDING'), undefined);
  assert.equal(template.console.filter(({ text }) => text === 'START_RECORDING').length, 1);
});

test('says in div.error why it cannot begin', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  host.extra['layouts/bad.json'] = '{"format": 1, "name": "bad"}';
  const told = async (options, expected) => {
    const template = await record(scene, options);
    const error = await until('div.error', () => template.error());
    assert.match(error, expected);
    assert.equal(template.said('START_RECORDING'), undefined);
  };
  await told({ token: undefined }, /token/);
  await told({ url: undefined }, /url/);
  await told({ token: 'nonsense' }, /token|connect|unauthor/i);
  await told({ layout: 'bad' }, /^The layout is broken: title is missing|^The layout is broken: \w+ is missing/);
});
