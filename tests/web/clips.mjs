// What pages with clips show; each check is given what `page.mjs` starts.

import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { settled } from "./page.mjs";

/** A clip: its frames by seeking, what that fetches, its keys, and that it plays to its end. */
export async function video({ config, open, server }) {
  const url = `/clip/${basename(config.clip)}`;
  const element = `<inr-video src="${url}" controls aria-label="a moving disc"></inr-video>`;
  const page = await open(element);
  const on = (task, given) => page.evaluate(`(${task})(document.querySelector("inr-video"), ${JSON.stringify(given ?? null)})`);
  await on(`(video) => {
    window.told = { seeked: 0, ended: 0 };
    for (const type in told) video.addEventListener(type, () => told[type]++);
    window.drawn = [];
    video.addEventListener("frame", ({ detail }) => drawn.push(detail));
  }`);
  /** Until an event that `act` leads to has come. */
  const until = async (type, act) => {
    const before = await page.evaluate((type) => told[type], type);
    await act();
    await page.waitForFunction(([type, before]) => told[type] > before, [type, before]);
  };
  const seek = (frame) => until("seeked", () => on("(video, frame) => (video.currentTime = (frame / video.frames) * video.duration)", frame));
  await page.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  await seek(0);
  const [frames, duration] = await on("(video) => [video.frames, video.duration]");
  const first = [...server.ranges[url]];
  const shown = {};
  for (const frame of config.frames) {
    await seek(frame);
    shown[frame] = await on("(video) => video.frame");
    const bytes = await on(`(video) => {
      const canvas = video.shadowRoot.querySelector("canvas");
      return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
    }`);
    writeFileSync(join(config.out, `frame${frame}.rgba`), Uint8Array.from(bytes));
  }
  const keys = {};
  await page.locator("inr-video").focus();
  for (const key of ["Home", ".", ".", ",", "End", "ArrowLeft"]) {
    await until("seeked", () => page.keyboard.press(key));
    keys[Object.keys(keys).length + key] = await on("(video) => video.frame");
  }
  await until("seeked", () => page.keyboard.press("Home"));
  await page.evaluate(() => (drawn.length = 0));
  const start = Date.now();
  await until("ended", () => page.keyboard.press(" "));
  const seconds = (Date.now() - start) / 1000;
  await page.locator("inr-video").screenshot({ path: join(config.out, "video.png") });
  const still = await open(element.replace("controls", "controls autoplay"), { reducedMotion: "reduce" });
  await still.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  await still.waitForTimeout(200);
  const paused = await still.evaluate(() => document.querySelector("inr-video").paused);
  const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
  const tree = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value}`);
  const plain = await open(element.replace(".inr", ".inr?plain")); // a host that knows no ranges
  await plain.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  const half = await open(element.replace(".inr", "_half.inr")); // its second segment is damaged
  await half.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  await half.evaluate(() => (document.querySelector("inr-video").currentTime = 1));
  await settled(half);
  const broken = await open(`<inr-video src="/page.html" aria-label="what was lost" controls></inr-video>`);
  await settled(broken);
  const fallback = await broken.evaluate(() => document.querySelector("inr-video").shadowRoot.querySelector("p").textContent);
  const drawn = await page.evaluate(() => drawn);
  const lines = page.lines.filter((line) => !line.includes("willReadFrequently"));
  return { frames, duration, first, shown, keys, drawn, seconds, paused, tree, fallback, lines, half: half.lines, broken: broken.lines };
}

/** A clip of 1280x720: it is sought in another segment, then plays from there to its end. */
export async function large({ config, open, server }) {
  const url = `/clip/${basename(config.large)}`;
  const page = await open(`<inr-video src="${url}" controls aria-label="a wide one"></inr-video>`);
  await page.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  const first = await page.evaluate(shown, [0]);
  const sought = await page.evaluate(shown, [config.sought]);
  await page.evaluate(() => {
    const video = document.querySelector("inr-video");
    window.drawn = [];
    video.addEventListener("frame", () => drawn.push([video.frame, video.currentTime]));
    video.addEventListener("ended", () => (window.over = performance.now()));
    window.begun = performance.now();
    video.play();
  });
  await page.waitForFunction(() => window.over);
  const [drawn, seconds, duration, size] = await page.evaluate(() => {
    const video = document.querySelector("inr-video");
    const { width, height } = video.shadowRoot.querySelector("canvas");
    return [drawn, (over - begun) / 1000, video.duration, [width, height]];
  });
  const apart = await open();
  const asked = server.ranges[url].length;
  const together = await apart.evaluate(
    async ([url, frames]) => {
      const { open } = await import("/dist/inr.js");
      const file = await open(url);
      const pictures = await Promise.all(frames.map((frame) => file.read(frame)));
      return Promise.all(pictures.map(async ({ data }) => new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex()));
    },
    [url, config.together],
  );
  const workers = apart.workers().length;
  return { first, sought, drawn, seconds, duration, size, together, workers, asked: server.ranges[url].slice(asked), lines: page.lines };
}

/** A clip that is to be turned, of pixels that are not square: the canvas, the room that it takes, and its pixels. */
export async function turned({ config, open }) {
  const page = await open(element(config.turned));
  await page.waitForFunction(() => document.querySelector("inr-video")?.frames > 0);
  const { pixels } = await page.evaluate(shown, [3]);
  const [size, box] = await page.evaluate(() => {
    const canvas = document.querySelector("inr-video").shadowRoot.querySelector("canvas");
    const { width, height } = canvas.getBoundingClientRect();
    return [[canvas.width, canvas.height], [width, height]];
  });
  return { size, box, pixels };
}

/** How fast frames are decoded, four ahead as the player has them: frames a second, and milliseconds of CPU each. */
export async function rate({ config, open, cpu }) {
  const page = await open();
  const decoded = (first, end) =>
    page.evaluate(
      async ([url, first, end]) => {
        const { open } = await import("/dist/inr.js");
        const file = await (window.file ??= open(url));
        await file.read(0);
        const start = performance.now();
        const reads = [];
        for (let frame = first; frame < end; frame++) {
          reads.push(file.read(frame));
          await reads.at(-5);
        }
        await Promise.all(reads);
        return (1000 * (end - first)) / (performance.now() - start);
      },
      [`/clip/${basename(config.clip)}`, first, end],
    );
  await decoded(0, 5);
  const begun = await cpu();
  const fps = await decoded(0, config.frames);
  return { fps, cpu: ((await cpu()) - begun) / config.frames };
}

/** In a page: seek a frame; its time, and the SHA-256 of its pixels. */
async function shown([frame]) {
  const video = document.querySelector("inr-video");
  const seeked = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
  video.frame = frame;
  await seeked;
  const canvas = video.shadowRoot.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
  return { frame: video.frame, time: video.currentTime, pixels };
}

/** Clips with sound: when its bursts are heard against the frames, by keys: play, pause, seek, play, mute. */
export async function sound({ config, open, server }) {
  const results = {};
  for (const path of config.sounds) results[basename(path)] = await heard(open, path, config.phases);
  results.ranges = server.ranges[`/clip/${basename(config.sounds[0])}`];
  const silent = async (path, before) => {
    const page = await open(element(path), {}, before);
    await page.waitForEvent("console", { predicate: (message) => message.type() === "info" });
    await page.locator("inr-video").press(" ");
    await page.waitForFunction(() => document.querySelector("inr-video").frame > 5);
    const mute = await page.evaluate(() => document.querySelector("inr-video").shadowRoot.querySelector("[part=mute]").hidden);
    return { lines: page.lines, mute };
  };
  results.unknown = await silent(config.unknown);
  results.without = await silent(config.sounds[0], () => delete window.AudioDecoder);
  return results;
}

const TURNS = 5; // in which a phase is played, at most

const element = (path) => `<inr-video src="/clip/${basename(path)}" controls aria-label="bursts"></inr-video>`;

/** Each of `phases` is played from a second to another, again where not all of its bursts were heard: a machine may be busy. */
async function heard(open, path, phases) {
  const page = await open(element(path), {}, recorded);
  await page.waitForFunction(() => document.querySelector("inr-video").sounding, null, { timeout: 20_000 }).catch(() => {});
  if (page.lines.length) return { lines: page.lines };
  await page.evaluate(() => {
    const video = document.querySelector("inr-video");
    video.addEventListener("frame", () => log.frames.push([video.currentTime, now()]));
  });
  const found = [];
  const seek = (time) =>
    page.evaluate(
      (time) =>
        new Promise((resolve) => {
          const video = document.querySelector("inr-video");
          video.addEventListener("seeked", resolve, { once: true });
          video.currentTime = time;
        }),
      time,
    );
  const played = async (until) => {
    await page.evaluate(() => (log.frames = [], log.bursts = [], log.loud = log.until = NaN, log.nodes.clear()));
    await page.locator("inr-video").press(" ");
    await page.waitForFunction((until) => document.querySelector("inr-video").currentTime >= until, until);
    await page.locator("inr-video").press("k");
    const left = await page.evaluate(() => [...log.nodes].filter((node) => node.until > node.context.currentTime && !node.stopped).length);
    const told = () => ({ frames: log.frames, bursts: log.bursts.filter((at) => at < log.context.currentTime) }); // others were stopped
    const heard = await page.evaluate(told);
    const still = await page.evaluate(async () => {
      const video = document.querySelector("inr-video");
      const { frame } = video;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return video.frame === frame;
    });
    return { ...heard, left, still };
  };
  for (const { from, until, bursts } of phases) {
    let phase = null;
    for (let turn = 0; turn < TURNS && !(phase?.bursts.length >= bursts); turn++) {
      if (from || turn) await seek(from);
      phase = await played(until);
    }
    found.push(phase);
  }
  const levels = [];
  const level = async () => levels.push(await page.evaluate(() => [document.querySelector("inr-video").muted, gain.gain.value]));
  await page.locator("inr-video").press("m");
  await level();
  await page.getByRole("button", { name: "Mute" }).click();
  await level();
  await page.locator("inr-video").press("ArrowDown");
  await level();
  return { phases: found, levels, lines: page.lines.filter((line) => !line.includes("willReadFrequently")) };
}

/**
 * In a page, before all else: what is scheduled to be heard, when by the context's clock, and that clock less its latency. The
 * page is busy for longer than until the first burst when sound is asked for, which is to cost none of it.
 */
function recorded() {
  const LOUD = 0.2;
  const [BURST, APART] = [0.02, 0.2]; // seconds: of one, and between them at least
  const BUSY_MS = 500;
  const { configure } = AudioDecoder.prototype;
  AudioDecoder.prototype.configure = function (config) {
    const until = performance.now() + BUSY_MS;
    queueMicrotask(() => {
      while (performance.now() < until);
    });
    return configure.call(this, config);
  };
  const { start, stop } = AudioBufferSourceNode.prototype;
  const { connect } = AudioNode.prototype;
  window.log = { context: null, frames: [], bursts: [], loud: NaN, until: NaN, nodes: new Set() };
  window.now = () => (log.context ? log.context.currentTime - log.context.outputLatency : 0);
  AudioBufferSourceNode.prototype.start = function (when, skip) {
    log.context = this.context;
    const { sampleRate, duration } = this.buffer;
    const samples = this.buffer.getChannelData(0);
    const cut = !(Math.abs(when - log.until) < 1 / sampleRate); // a busy machine lost what was before, perhaps a burst's start
    for (let i = Math.round(skip * sampleRate); i < samples.length; i++) {
      const at = when + i / sampleRate - skip;
      if (Math.abs(samples[i]) <= LOUD || at < log.loud + APART) continue;
      log.loud = at;
      if (!cut || at > when + BURST) log.bursts.push(at);
    }
    this.until = log.until = when + duration - skip;
    log.nodes.add(this);
    return start.call(this, when, skip);
  };
  AudioBufferSourceNode.prototype.stop = function () {
    this.stopped = true;
    return stop.call(this);
  };
  AudioNode.prototype.connect = function (...given) {
    if (this instanceof GainNode) window.gain = this;
    return connect.apply(this, given);
  };
}
