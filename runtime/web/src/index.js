/** What a page imports: `decode`, `open`, and the elements; that of clips is loaded when a page has one. */

import { configure, decode, open, started } from "./client.js";
import { InrImage } from "./inr-image.js";
import { BitstreamError } from "./wire.js";

customElements.define("inr-image", InrImage);

/** Make `<inr-video>` known, which is else done when the document first holds one, outside of shadow trees. */
async function video() {
  watch.disconnect();
  const { define } = await import(new URL("video.js", import.meta.url).href);
  define({ open, started });
}

const clips = document.getElementsByTagName("inr-video");
const look = () => clips.length && video();
const watch = new MutationObserver(look);
watch.observe(document, { childList: true, subtree: true });
look();

export { BitstreamError, InrImage, configure, decode, open, video };
