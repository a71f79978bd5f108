// What pages of pictures show; each check is given what `page.mjs` starts.

import { basename, join } from "node:path";
import { settled } from "./page.mjs";
import { serve } from "./server.mjs";

export async function golden({ config, open }) {
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
export async function streamed({ config, open }) {
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

export async function damaged({ open }) {
  const page = await open(`<inr-image src="/golden/none.inr" alt="what was lost"></inr-image>
    <inr-image src="/mutated/cut.inr" alt="what was cut"></inr-image><inr-image src="/page.html"></inr-image>`);
  await settled(page, 3);
  const shown = await page.locator("main").evaluate((main) =>
    [...main.querySelectorAll("inr-image")].map((image) => image.shadowRoot.querySelector("p:not([hidden])")?.textContent),
  );
  return { shown, lines: page.lines };
}

/** All mutated files in one page: the page and its worker live on. */
export async function mutated({ config, open }) {
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
export async function timed({ config, open, server, cpu }) {
  const before = { ...server.sent };
  const page = await open(`<inr-image src="/photo/${basename(config.photo)}" alt="a photo"></inr-image>`);
  await settled(page);
  const cold = await page.evaluate(() => {
    const script = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("inr.js"));
    return seen.find(({ type, name }) => type === "load" && name === "inr-image").at - script.responseEnd;
  });
  const times = 10;
  const begun = await cpu();
  const warm = await page.evaluate(
    async ([url, times]) => {
      const { decode } = await import("/dist/inr.js");
      const buffer = await (await fetch(url)).arrayBuffer();
      const found = [];
      for (let i = 0; i < times; i++) {
        const start = performance.now();
        await decode(buffer);
        found.push(performance.now() - start);
      }
      return Math.min(...found);
    },
    [`/photo/${basename(config.photo)}`, times],
  );
  const warmCpu = ((await cpu()) - begun) / times;
  const bytes = Object.keys(server.sent)
    .filter((path) => path.startsWith("/dist/"))
    .reduce((sum, path) => sum + server.sent[path] - (before[path] ?? 0), 0);
  return { cold, warm, warmCpu, bytes };
}

/** A static site: what its table says, its slider, its clip. */
export async function gallery({ config, browser }) {
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

/** PNGs of a gallery, of its slider and of its clip. */
export async function screenshots({ config, browser }) {
  const host = await serve({ "/": config.site });
  const page = await (await browser.newContext({ viewport: { width: 840, height: 600 } })).newPage();
  const lines = [];
  page.on("console", (message) => message.text().includes("willReadFrequently") || lines.push(message.text()));
  await page.goto(`${host.url}/index.html`);
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length >= 3);
  await page.waitForFunction(() => document.querySelector("inr-video").frames > 0);
  await page.locator("select").selectOption({ index: 1 });
  await page.waitForFunction(() => document.querySelector(".compare img").complete);
  await page.locator("inr-video").press(" ");
  await page.waitForFunction(() => document.querySelector("inr-video").frame > 8);
  await page.locator("inr-video").press("k");
  await page.waitForTimeout(100);
  const shot = (locator, name) => locator.screenshot({ path: join(config.out, `${name}.png`), fullPage: true });
  await shot(page, "gallery");
  await shot(page.locator("figure", { has: page.locator(".compare") }), "slider");
  await shot(page.locator("inr-video"), "player");
  host.close();
  return { lines };
}

/** Pictures with an orientation or a colour space: what is laid out first, then shown, beside what the browser makes of a PNG. */
export async function carried({ config, open }) {
  const results = {};
  for (const path of config.carried) {
    const name = basename(path);
    const page = await open(`<inr-image src="/carried/${name}" alt="a picture"></inr-image>`, {}, () => {
      const sizes = (window.sizes = []);
      document.addEventListener("sized", ({ target }) => sizes.push(target.naturalWidth, target.naturalHeight), true);
    });
    await settled(page);
    results[name] = await page.evaluate(async (png) => {
      const image = document.querySelector("inr-image");
      const canvas = image.shadowRoot.querySelector("canvas");
      const context = canvas.getContext("2d");
      const bitmap = await createImageBitmap(await (await fetch(png)).blob(), { colorSpaceConversion: "none" });
      const other = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      other.drawImage(bitmap, 0, 0);
      return {
        sizes,
        size: [image.naturalWidth, image.naturalHeight],
        pixels: Array.from(image.pixels),
        png: Array.from(other.getImageData(0, 0, bitmap.width, bitmap.height).data),
        space: context.getContextAttributes().colorSpace,
        srgb: Array.from(context.getImageData(0, 0, 1, 1, { colorSpace: "srgb" }).data),
      };
    }, `/carried/${name.replace(".inr", ".png")}`);
    await page.close();
  }
  return results;
}

/** Files decoded where there is a GPU, which one it is, and which of onnxruntime-web's modules each needed. */
export async function gpu({ config, open, server }) {
  const probe = await open();
  const adapter = await probe.evaluate(async () => {
    const found = await navigator.gpu?.requestAdapter();
    return found ? `${found.info.vendor} ${found.info.architecture}` : null;
  });
  if (!adapter) return { adapter };
  const results = {};
  const decoded = async (path, cut = "") => {
    const before = { ...server.sent };
    const page = await open();
    if (cut) await page.context().route(cut, (route) => route.abort());
    const samples = await page.evaluate(async (url) => {
      const { decode } = await import("/dist/inr.js");
      return Array.from((await decode(await (await fetch(url)).arrayBuffer())).samples);
    }, `/golden/${basename(path)}`);
    const modules = Object.keys(server.sent).filter((path) => path.endsWith(".wasm") && server.sent[path] > (before[path] ?? 0));
    await page.context().close();
    return { samples, modules: modules.map((path) => basename(path)), lines: page.lines };
  };
  for (const path of config.golden) results[basename(path)] = await decoded(path);
  results.without = await decoded(config.golden[0], "**/*jspi.wasm");
  return { adapter, results };
}
