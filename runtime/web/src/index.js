/** What a page imports: `decode`, `open`, and the elements. */

import { configure, decode, open } from "./client.js";
import { InrImage } from "./inr-image.js";
import { InrVideo } from "./inr-video.js";
import { BitstreamError } from "./wire.js";

customElements.define("inr-image", InrImage);
customElements.define("inr-video", InrVideo);

export { BitstreamError, InrImage, InrVideo, configure, decode, open };
