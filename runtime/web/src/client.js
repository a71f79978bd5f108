/** Decoding beside the page, in one worker. */

import { BitstreamError } from "./wire.js";

const waiting = new Map(); // by number: {resolve, reject}
let worker = null;
let last = 0;

/** As `decode.js` has it, in the worker. */
export function decode(buffer, options = {}) {
  const number = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(number, { resolve, reject });
    started().postMessage({ number, buffer, options });
  });
}

/** The worker, which begins to compile the kernel at once. */
export function started() {
  worker ??= start();
  return worker;
}

function start() {
  const made = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { number, picture, error } }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (picture) resolve(picture);
    else reject(error.damaged ? new BitstreamError(error.message) : new Error(error.message));
  };
  made.onerror = (event) => {
    worker = null;
    made.terminate();
    for (const { reject } of waiting.values()) reject(new Error(`the decoder's worker failed: ${event.message ?? "not loaded"}`));
    waiting.clear();
  };
  return made;
}
