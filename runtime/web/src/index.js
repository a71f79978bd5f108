/** What a page imports, and its worker runs: `decode`, and the elements. */

import { decode, serve } from "./client.js";
import { BitstreamError } from "./wire.js";

const worker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope && self.name === "inrcodec";

if (worker) serve();
else if (typeof customElements !== "undefined") {
  const { InrImage } = await import("./inr-image.js");
  customElements.define("inr-image", InrImage);
}

export { BitstreamError, decode };
