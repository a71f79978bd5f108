// Decode files as a page does, but in node: node decoded.mjs OUT FILE... writes OUT/NAME.samples and prints, as JSON, what was
// found in each: its sizes and the SHA-256 of its symbols, or its error.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const web = new URL("../../runtime/web/", import.meta.url);
const { decode } = await import(new URL("src/decode.js", web));
const { load } = await import(new URL("src/kernel.js", web));
const { BitstreamError } = await import(new URL("src/wire.js", web));

load(readFileSync(new URL("dist/decoder.wasm", web)));
globalThis.self = globalThis; // as in a worker, which the engine of other methods runs in
const fetched = fetch;
globalThis.fetch = async (url, ...rest) =>
  String(url).startsWith("file:") ? new Response(readFileSync(new URL(url))) : fetched(url, ...rest);
const [out, ...files] = process.argv.slice(2);
const { options = {}, names = files } = files[0]?.endsWith(".json") ? JSON.parse(readFileSync(files[0])) : {};

async function found(file) {
  try {
    const { width, height, channels, bitDepth, samples, symbols, data, sections } = await decode(readFileSync(file), {
      symbols: true,
      ...options,
    });
    const hash = createHash("sha256");
    const tensors = Object.keys(symbols.tensors).sort();
    for (const values of [...tensors.map((name) => symbols.tensors[name]), ...symbols.grids]) hash.update(Int32Array.from(values));
    if (out !== "-") {
      writeFileSync(join(out, `${basename(file)}.samples`), samples);
      writeFileSync(join(out, `${basename(file)}.rgba`), data);
    }
    const carried = Object.fromEntries(Object.entries(sections).map(([name, bytes]) => [name, Buffer.from(bytes).toString("hex")]));
    return { width, height, channels, bitDepth, symbols: hash.digest("hex"), sections: carried };
  } catch (error) {
    if (!(error instanceof BitstreamError)) console.error(file, error);
    return { error: error.message, damaged: error instanceof BitstreamError };
  }
}

const results = {};
for (const file of names) results[basename(file)] = await found(file);
console.log(JSON.stringify(results));
