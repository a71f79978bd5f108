// What pages see in headless Chromium, as JSON: node browser.mjs CONFIG.json, which names the browser and playwright-core and
// has `golden` and `mutated` (folders' files), `photo` (one of 768x512).

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

const config = JSON.parse(readFileSync(process.argv[2]));
const { chromium } = await import(config.playwright);
const here = dirname(fileURLToPath(import.meta.url));
const server = await serve({
  "/dist/": `${here}/../../runtime/web/dist`,
  "/golden/": dirname(config.golden[0]),
  "/mutated/": dirname(config.mutated[0]),
  "/photo/": dirname(config.photo),
  "/": here,
});
const browser = await chromium.launch({
  executablePath: config.browser,
  args: ["--no-sandbox", "--headless=new", "--disable-gpu"],
});

/** A fresh page, with every line of its console in `page.lines` and the time of each element's events in `window.seen`. */
async function open(content = "") {
  const page = await (await browser.newContext()).newPage();
  page.lines = [];
  page.on("console", (message) => page.lines.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.lines.push(`uncaught: ${error.message}`));
  await page.addInitScript((content) => {
    window.seen = [];
    for (const type of ["sized", "load", "error"])
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
  page.waitForFunction((count) => seen.filter(({ type, name }) => name?.startsWith("inr-") && type !== "sized").length >= count, count);

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

/** A slow file: the room that the element takes before its pixels, how many previews, and that the last one is the picture. */
async function streamed() {
  const page = await open(`<inr-image src="/photo/${basename(config.photo)}?slow=60" alt="a photo"></inr-image>`);
  const inks = new Set();
  await page.waitForFunction(() => seen.some(({ type }) => type === "sized"));
  const box = await page.evaluate(() => document.querySelector("inr-image").getBoundingClientRect().toJSON());
  const ink = () =>
    page.evaluate(async () => {
      const canvas = document.querySelector("inr-image").shadowRoot.querySelector("canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return String(data.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0));
    });
  while (!(await page.evaluate(() => document.querySelector("inr-image").complete))) inks.add(await ink());
  const complete = await page.evaluate(() => document.querySelector("inr-image").complete);
  const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
  const tree = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value}`);
  await page.locator("inr-image").screenshot({ path: config.screenshot });
  return { box, inks: inks.size, complete, tree, lines: page.lines.filter((line) => !line.includes("willReadFrequently")) };
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
  const kinds = await page.evaluate(() => seen.filter(({ type, name }) => name === "inr-image" && type !== "sized").map(({ type }) => type));
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

const results = {};
for (const check of [golden, streamed, damaged, mutated, timed]) results[check.name] = await check();
await browser.close();
server.close();
console.log(JSON.stringify(results));
