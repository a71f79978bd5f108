// When a clip's frames are shown, in simulated time: node lateness.mjs '{"takes": MS, "stall": [FROM, UNTIL]}' plays a clip whose
// frames take so long to decode, one after the other, and where the page does nothing from FROM to UNTIL (ms). Prints, as JSON,
// of each frame shown when that was and its time in the clip, in ms.

const { Playback } = await import(new URL("../../runtime/web/src/playback.js", import.meta.url));

const [RATE, SECONDS, SCREEN] = [25, 6, 16]; // frames a second of 6 s, and ms from one of the screen to the next

async function played({ takes, stall = [0, 0] }) {
  let now = 0;
  let free = 0; // from when on the decoder is
  const events = []; // {at, run}
  const then = (at, run) => events.push({ at: stall[0] < at && at < stall[1] ? stall[1] : at, run });
  globalThis.performance = { now: () => now };
  globalThis.requestAnimationFrame = (run) => then((Math.floor(now / SCREEN) + 1) * SCREEN, run);
  globalThis.cancelAnimationFrame = () => {};
  const read = (frame) => new Promise((resolve) => then((free = Math.max(free, now) + takes), () => resolve({ frame })));
  const shown = [];
  const file = { frames: RATE * SECONDS, facts: { rate: RATE }, read, close: () => {} };
  const playback = new Playback(file, {
    draw: ({ frame }) => shown.push([now, (1000 * frame) / RATE]),
    event: () => {},
    failed: (error) => {
      throw error;
    },
  });
  playback.play();
  while (events.length) {
    await new Promise(setImmediate); // what was promised runs
    events.sort((a, b) => a.at - b.at);
    const { at, run } = events.shift();
    now = Math.max(now, at);
    run();
  }
  return shown;
}

console.log(JSON.stringify(await played(JSON.parse(process.argv[2]))));
