/** Decoding beside the page, in one worker. */

import { BitstreamError } from "./wire.js";

const waiting = new Map(); // by number: {resolve, reject}
const configured = {}; // options of every call
let worker = null;
let last = 0;

/** Where `profiles` and `onnxruntime` lie, if not beside the script; only methods other than `pyramid` need them. */
export function configure(folders) {
  for (const [name, url] of Object.entries(folders)) configured[name] = new URL(url, document.baseURI).href;
}

/** As `decode.js` has it, in the worker. */
export function decode(buffer, options = {}) {
  return call("decode", buffer, { ...configured, ...options });
}

/**
 * A file at a URL, of which what is wanted is fetched: {signal, frames, facts, sound, audio(), read(frame), close()}. `sound` is
 * whether there is `audio`, a Matroska file.
 */
export async function open(url, options = {}) {
  const found = await call("open", new URL(url, document.baseURI).href, { ...configured, ...options });
  return {
    ...found,
    audio: () => call("audio", found.id),
    read: (frame) => call("read", found.id, frame),
    close: () => call("close", found.id),
  };
}

/** The worker, which begins to compile the kernel at once. */
export function started() {
  worker ??= start();
  return worker;
}

function call(name, ...given) {
  const number = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(number, { resolve, reject });
    started().postMessage({ number, name, given });
  });
}

function start() {
  const made = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { number, result, error } }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (!error) resolve(result);
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
