/** What the worker runs, as the page calls it. Imported where there is no page, it is the decoder alone. */

import { decode } from "./decode.js";
import { open } from "./file.js";
import { load } from "./kernel.js";
import { Memory, Ported, Remote, hand } from "./source.js";
import { BitstreamError } from "./wire.js";

const files = new Map(); // {file, source} by id
let last = 0;

const CALLS = {
  decode,
  /** Of a URL, or of what the worker at the other end of a port fetches. */
  async open(url, options, port) {
    const source = port ? new Ported(port) : new Remote(url);
    const file = await open(source, { samples: false, ...options });
    files.set(++last, { file, source });
    const { signal, frames, facts, alone, sections } = file;
    return { id: last, signal, frames, facts, alone, sound: Boolean(sections.audio) };
  },
  share: (id, port) => hand(files.get(id).source, port),
  audio: (id) => files.get(id).file.sections.audio,
  read: (id, frame) => files.get(id).file.read(frame),
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
