/** What a page imports: `decode`, and the elements. */

import { decode } from "./client.js";
import { InrImage } from "./inr-image.js";
import { BitstreamError } from "./wire.js";

customElements.define("inr-image", InrImage);

export { BitstreamError, InrImage, decode };
