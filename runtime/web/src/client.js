/** Decoding beside the page, in a worker; of clips whose frames travel alone in two. */

import { BitstreamError } from "./wire.js";

const waiting = new Map(); // by number: {resolve, reject, worker}
const configured = {}; // options of every call
const workers = [null, null];
let last = 0;

/** Where `profiles` and `onnxruntime` lie, if not beside the script; only methods other than `pyramid` need them. */
export function configure(folders) {
  for (const [name, url] of Object.entries(folders)) configured[name] = new URL(url, document.baseURI).href;
}

/** As `decode.js` has it, in the worker. */
export function decode(buffer, options = {}) {
  return call(started(), "decode", buffer, { ...configured, ...options });
}

/**
 * A file at a URL, of which what is wanted is fetched: {signal, frames, facts, sound, audio(), read(frame), close()}. `sound` is
 * whether there is `audio`, a Matroska file.
 */
export async function open(url, options = {}) {
  const given = { ...configured, ...options };
  const first = started();
  const found = await call(first, "open", new URL(url, document.baseURI).href, given);
  const reading = [0, 0]; // frames, by worker
  let second = null; // a promise of the other worker's file, whose bytes the first one fetches, or of null
  const share = async () => {
    const { port1, port2 } = new MessageChannel();
    await pass(first, "share", [port1], found.id);
    return pass(started(1), "open", [port2], null, given);
  };
  const read = async (frame) => {
    const other = found.alone && navigator.hardwareConcurrency > 1 && reading[0] > reading[1];
    if (other) second ??= share().catch(() => null);
    reading[Number(other)]++;
    try {
      const there = other ? await second : null;
      return await (there ? call(started(1), "read", there.id, frame) : call(first, "read", found.id, frame));
    } finally {
      reading[Number(other)]--;
    }
  };
  const close = () => {
    call(first, "close", found.id);
    second?.then((there) => there && call(started(1), "close", there.id));
  };
  return { ...found, audio: () => call(first, "audio", found.id), read, close };
}

/** A worker, which begins to compile the kernel at once. */
export function started(k = 0) {
  workers[k] ??= start(k);
  return workers[k];
}

const call = (worker, name, ...given) => pass(worker, name, [], ...given);

/** A call that hands over what is `moved`. */
function pass(worker, name, moved, ...given) {
  const number = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(number, { resolve, reject, worker });
    worker.postMessage({ number, name, given: [...given, ...moved] }, moved);
  });
}

function start(k) {
  const made = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { number, result, error } }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (!error) resolve(result);
    else reject(error.damaged ? new BitstreamError(error.message) : new Error(error.message));
  };
  made.onerror = (event) => {
    workers[k] = null;
    made.terminate();
    for (const [number, { reject, worker }] of waiting) {
      if (worker !== made) continue;
      waiting.delete(number);
      reject(new Error(`the decoder's worker failed: ${event.message ?? "not loaded"}`));
    }
  };
  return made;
}
