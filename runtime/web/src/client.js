/** Decoding beside the page: one worker, which runs this very file. */

import { decode as decodeHere } from "./decode.js";
import { BitstreamError } from "./wire.js";

const waiting = new Map(); // by number: {resolve, reject}
let worker = null;
let last = 0;

/** As `decode.js` has it, in a worker where there are any. */
export function decode(buffer, options = {}) {
  if (typeof Worker === "undefined") return decodeHere(buffer, options);
  worker ??= start();
  return new Promise((resolve, reject) => {
    waiting.set(++last, { resolve, reject });
    worker.postMessage({ number: last, buffer, options });
  });
}

function start() {
  const made = new Worker(import.meta.url, { type: "module", name: "inrcodec" });
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

/** What the worker does. */
export function serve() {
  self.onmessage = async ({ data: { number, buffer, options } }) => {
    try {
      const picture = await decodeHere(buffer, options);
      self.postMessage({ number, picture }, [picture.data.buffer, picture.samples.buffer]);
    } catch (error) {
      self.postMessage({ number, error: { message: error.message, damaged: error instanceof BitstreamError } });
    }
  };
}
