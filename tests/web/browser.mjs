// What pages see in headless Chromium, as JSON: node browser.mjs CONFIG.json, which names the browser and playwright-core and
// has `golden` and `mutated` (folders' files), `photo` (one of 768x512), `clip`, of several segments,
// `site`, a gallery, and `out`, a folder.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

const config = JSON.parse(readFileSync(process.argv[2]));
const { chromium } = await import(config.playwright);
const here = dirname(fileURLToPath(import.meta.url));
const root = `${here}/../..`;
const server = await serve({
  "/dist/profiles/": `${root}/runtime/profiles`,
  "/dist/onnxruntime/": `${root}/build/web/node_modules/onnxruntime-web/dist`,
  "/dist/": `${root}/runtime/web/dist`,
  "/golden/": dirname(config.golden[0]),
  "/mutated/": dirname(config.mutated[0]),
  "/photo/": dirname(config.photo),
  "/clip/": dirname(config.clip),
  "/": here,
});
const browser = await chromium.launch({
  executablePath: config.browser,
  args: ["--no-sandbox", "--headless=new", "--disable-gpu"],
});

/** A fresh page, with every line of its console in `page.lines` and the time of each element's events in `window.seen`. */
async function open(content = "", options = {}) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(120_000);
  page.lines = [];
  page.on("console", (message) => page.lines.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.lines.push(`uncaught: ${error.message}`));
  await page.addInitScript((content) => {
    window.seen = [];
    for (const type of ["sized", "preview", "load", "error"])
      document.addEventListener(type, ({ target }) => seen.push({ type, name: target.localName, at: performance.now() }), true);
    document.addEventListener("DOMContentLoaded", () => {
      const parsed = new DOMParser().parseFromString(content, "text/html");
      document.querySelector("main").append(...parsed.body.childNodes);
    });
  }, content);
  await page.goto(`${server.url}/page.html`);
  return page;
}

const settled = (page, count = 1) =>
  page.waitForFunction((count) => seen.filter(({ type, name }) => name?.startsWith("inr-") && ["load", "error"].includes(type)).length >= count, count);

async function golden() {
  const page = await open();
  const results = {};
  for (const path of config.golden)
    results[basename(path)] = await page.evaluate(async (url) => {
      const { decode } = await import("/dist/inr.js");
      const hex = async (parts) => {
        const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
        return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
      };
      const { symbols, samples, width, height } = await decode(await (await fetch(url)).arrayBuffer(), { symbols: true });
      const tensors = Object.keys(symbols.tensors).sort().map((name) => Int32Array.from(symbols.tensors[name]));
      return { width, height, symbols: await hex([...tensors, ...symbols.grids]), samples: await hex([samples]) };
    }, `/golden/${basename(path)}`);
  return results;
}

/** A slow file: the room that the element takes before its pixels, and how many previews it shows. */
async function streamed() {
  const page = await open(`<inr-image src="/photo/${basename(config.photo)}?slow=150" alt="a photo"></inr-image>`);
  await page.waitForFunction(() => seen.some(({ type }) => type === "sized"));
  const box = await page.evaluate(() => document.querySelector("inr-image").getBoundingClientRect().toJSON());
  await page.waitForFunction(() => document.querySelector("inr-image").complete);
  const [previews, complete] = await page.evaluate(() => [
    seen.filter(({ type }) => type === "preview").length,
    document.querySelector("inr-image").complete,
  ]);
  const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
  const tree = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value}`);
  await page.locator("inr-image").screenshot({ path: join(config.out, "photo.png") });
  return { box, previews, complete, tree, lines: page.lines };
}

async function damaged() {
  const page = await open(`<inr-image src="/golden/none.inr" alt="what was lost"></inr-image>
    <inr-image src="/mutated/cut.inr" alt="what was cut"></inr-image><inr-image src="/page.html"></inr-image>`);
  await settled(page, 3);
  const shown = await page.locator("main").evaluate((main) =>
    [...main.querySelectorAll("inr-image")].map((image) => image.shadowRoot.querySelector("p:not([hidden])")?.textContent),
  );
  return { shown, lines: page.lines };
}

/** All mutated files in one page: the page and its worker live on. */
async function mutated() {
  const images = config.mutated.map((path) => `<inr-image src="/mutated/${basename(path)}" alt=""></inr-image>`).join("");
  const page = await open(images);
  await settled(page, config.mutated.length);
  const kinds = await page.evaluate(() => seen.filter(({ type, name }) => name === "inr-image" && ["load", "error"].includes(type)).map(({ type }) => type));
  const after = await page.evaluate(async (url) => {
    const { decode } = await import("/dist/inr.js");
    return (await decode(await (await fetch(url)).arrayBuffer())).width;
  }, `/golden/${basename(config.golden[0])}`);
  const count = (wanted) => kinds.filter((kind) => kind === wanted).length;
  return { pictures: count("load"), errors: count("error"), after, lines: page.lines };
}

/** Milliseconds from the script's start to the pixels with a cold module, of a warm decode, and the bytes that were sent. */
async function timed() {
  const before = { ...server.sent };
  const page = await open(`<inr-image src="/photo/${basename(config.photo)}" alt="a photo"></inr-image>`);
  await settled(page);
  const cold = await page.evaluate(() => {
    const script = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("inr.js"));
    return seen.find(({ type, name }) => type === "load" && name === "inr-image").at - script.responseEnd;
  });
  const warm = await page.evaluate(async (url) => {
    const { decode } = await import("/dist/inr.js");
    const buffer = await (await fetch(url)).arrayBuffer();
    const times = [];
    for (let i = 0; i < 10; i++) {
      const start = performance.now();
      await decode(buffer);
      times.push(performance.now() - start);
    }
    return Math.min(...times);
  }, `/photo/${basename(config.photo)}`);
  const bytes = Object.keys(server.sent)
    .filter((path) => path.startsWith("/dist/"))
    .reduce((sum, path) => sum + server.sent[path] - (before[path] ?? 0), 0);
  return { cold, warm, bytes };
}

/** A clip: its frames by seeking, what that fetches, its keys, and that it plays to its end. */
async function video() {
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
  await page.waitForFunction(() => document.querySelector("inr-video").frames > 0);
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
  await still.waitForFunction(() => document.querySelector("inr-video").frames > 0);
  await still.waitForTimeout(200);
  const paused = await still.evaluate(() => document.querySelector("inr-video").paused);
  const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
  const tree = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value}`);
  const plain = await open(element.replace(".inr", ".inr?plain")); // a host that knows no ranges
  await plain.waitForFunction(() => document.querySelector("inr-video").frames > 0);
  const half = await open(element.replace(".inr", "_half.inr")); // its second segment is damaged
  await half.waitForFunction(() => document.querySelector("inr-video").frames > 0);
  await half.evaluate(() => (document.querySelector("inr-video").currentTime = 1));
  await settled(half);
  const broken = await open(`<inr-video src="/page.html" aria-label="what was lost" controls></inr-video>`);
  await settled(broken);
  const fallback = await broken.evaluate(() => document.querySelector("inr-video").shadowRoot.querySelector("p").textContent);
  const drawn = await page.evaluate(() => drawn);
  const lines = page.lines.filter((line) => !line.includes("willReadFrequently"));
  return { frames, duration, first, shown, keys, drawn, seconds, paused, tree, fallback, lines, half: half.lines, broken: broken.lines };
}

/** A static site: what its table says, its slider, its clip. */
async function gallery() {
  const host = await serve({ "/": config.site });
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 900 } })).newPage();
  const lines = [];
  page.on("console", (message) => lines.push(message.text()));
  await page.goto(`${host.url}/index.html`);
  await page.waitForFunction((rows) => document.querySelectorAll("tbody tr").length >= rows, config.rows ?? 2);
  await page.waitForFunction(() => document.querySelector("inr-video")?.frames > 0 || !document.querySelector("inr-video"));
  await page.waitForTimeout(300); // the clip's first frame
  await page.locator("select").first().selectOption({ index: 1 });
  await page.waitForFunction(() => document.querySelector(".compare img").complete);
  await page.screenshot({ path: join(config.out, "gallery.png"), fullPage: true });
  const rows = await page.evaluate(() =>
    Array.from(document.querySelectorAll("tbody tr"), (row) => Array.from(row.cells, (cell) => cell.textContent)),
  );
  await page.locator("input[type=range]").first().press("ArrowLeft");
  const cut = await page.evaluate(() => document.querySelector(".compare").style.getPropertyValue("--cut"));
  await page.locator(".compare").first().screenshot({ path: join(config.out, "slider.png") });
  const alternatives = await page.locator("select").first().locator("option").count();
  const clip = await page.evaluate(() => document.querySelector("inr-video")?.frames);
  const summary = await page.textContent("#summary");
  host.close();
  return { rows, cut, alternatives, clip, summary, lines };
}

const results = {};
for (const check of [golden, streamed, damaged, mutated, timed, video, gallery])
  if (config.only?.includes(check.name) ?? true) results[check.name] = await check();
await browser.close();
server.close();
console.log(JSON.stringify(results));
