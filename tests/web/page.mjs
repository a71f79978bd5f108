// Pages in headless Chromium: start(config) -> {config, server, browser, open, cpu, close}; see `browser.mjs` for the config.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = `${here}/../..`;

export async function start(config) {
  const { chromium } = await import(config.playwright);
  const { golden, mutated, photo, clip, carried } = config;
  const given = Object.entries({ golden: golden?.[0], mutated: mutated?.[0], photo, clip, carried: carried?.[0] });
  const server = await serve({
    "/dist/profiles/": `${root}/runtime/profiles`,
    "/dist/onnxruntime/": `${root}/build/web/node_modules/onnxruntime-web/dist`,
    "/dist/": `${root}/runtime/web/dist`,
    ...Object.fromEntries(given.filter(([, path]) => path).map(([name, path]) => [`/${name}/`, dirname(path)])),
    "/": here,
  });
  const browser = await chromium.launch({
    executablePath: config.browser,
    args: ["--no-sandbox", "--headless=new", ...(config.flags ?? ["--disable-gpu"])],
  });
  return {
    config,
    server,
    browser,
    open: (...given) => open(browser, server, ...given),
    cpu: () => cpu(browser),
    close: () => Promise.all([browser.close(), server.close()]),
  };
}

/**
 * A fresh page, with every line of its console in `page.lines` and the time of each element's events in `window.seen`. `before`
 * runs in it before all else.
 */
async function open(browser, server, content = "", options = {}, before = () => {}) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(60_000);
  page.lines = [];
  page.on("console", (message) => page.lines.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.lines.push(`uncaught: ${error.message}`));
  await page.addInitScript(before);
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

/** Milliseconds that all pages' processes have worked. */
async function cpu(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + 1000 * cpuTime, 0);
}

/** So many elements have what they show, or have failed. */
export const settled = (page, count = 1) =>
  page.waitForFunction(
    (count) => seen.filter(({ type, name }) => name?.startsWith("inr-") && ["load", "error"].includes(type)).length >= count,
    count,
  );
