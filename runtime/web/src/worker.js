/** What the worker runs, as the page calls it. Imported where there is no page, it is the decoder alone. */

import { decode } from "./decode.js";
import { open } from "./file.js";
import { load } from "./kernel.js";
import { Memory, Remote } from "./source.js";
import { BitstreamError } from "./wire.js";

const files = new Map(); // by id
let last = 0;

const CALLS = {
  decode,
  async open(url, options) {
    const file = await open(new Remote(url), { samples: false, ...options });
    files.set(++last, file);
    const { signal, frames, facts, sections } = file;
    return { id: last, signal, frames, facts, sound: Boolean(sections.audio) };
  },
  audio: (id) => files.get(id).sections.audio,
  read: (id, frame) => files.get(id).read(frame),
  close: (id) => void files.delete(id),
};

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  load().catch(() => {}); // whoever wants a picture is told
  self.onmessage = async ({ data: { number, name, given } }) => {
    try {
      const result = await CALLS[name](...given);
      const moved = [result?.data, result?.samples].filter(Boolean).map(({ buffer }) => buffer);
      self.postMessage({ number, result }, moved);
    } catch (error) {
      self.postMessage({ number, error: { message: error.message, damaged: error.name === "BitstreamError" } });
    }
  };
}

export { BitstreamError, Memory, Remote, decode, load, open };
