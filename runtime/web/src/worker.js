/** What the worker runs: `decode` of what the page sends. Imported where there is no page, it is the decoder alone. */

import { decode } from "./decode.js";
import { load } from "./kernel.js";
import { BitstreamError } from "./wire.js";

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  load().catch(() => {}); // whoever wants a picture is told
  self.onmessage = async ({ data: { number, buffer, options } }) => {
    try {
      const picture = await decode(buffer, options);
      self.postMessage({ number, picture }, [picture.data.buffer, picture.samples.buffer]);
    } catch (error) {
      self.postMessage({ number, error: { message: error.message, damaged: error instanceof BitstreamError } });
    }
  };
}

export { BitstreamError, decode, load };
