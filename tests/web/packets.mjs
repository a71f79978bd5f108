// The audio packets of Matroska files, as JSON: node packets.mjs FILE..., by file name of each track its packets' times and sizes,
// or what was thrown.

import { readFileSync } from "node:fs";
import { basename } from "node:path";

const { tracksOf } = await import(new URL("../../runtime/web/src/matroska.js", import.meta.url));

function found(file) {
  try {
    return tracksOf(readFileSync(file)).map(({ codec, packets }) => ({ codec, packets: packets.map(({ time, data }) => [time, data.length]) }));
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

console.log(JSON.stringify(Object.fromEntries(process.argv.slice(2).map((file) => [basename(file), found(file)]))));
