// What the browser's decoder shares with the Python one, as JSON: tables (SHA-256), manifests, orders.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const web = new URL("../../runtime/web/", import.meta.url);
const { load, withKernel } = await import(new URL("src/kernel.js", web));
const { manifestOf } = await import(new URL("src/profiles.js", web));
const orders = await import(new URL("src/orders.js", web));

load(readFileSync(new URL("dist/decoder.wasm", web)));
const sha256 = (values) => createHash("sha256").update(values).digest("hex");
const facts = await withKernel((kernel) => ({
  likeliest: sha256(kernel.int32(kernel.likeliest, 1024)),
  others: sha256(kernel.int32(kernel.table, 1024 * 65)),
  manifests: Object.fromEntries([1, 2, 3, 4, 5, 6, 26, 27, 28, 29, 30, 31].map((number) => [number, manifestOf(number)])),
  around: orders.COSETS.map((_, coset) => orders.around(coset, orders.NEIGHBOURS_MAX)),
  causal: orders.CAUSAL,
  slopes: orders.CAUSAL.map((_, i) => orders.slope(orders.CAUSAL.slice(0, i + 1))),
}));
console.log(JSON.stringify(facts));
