/** `<inr-image src alt>`: a picture that takes its room as soon as its header is there, and grows clear while its file comes. */

import { decode, started } from "./client.js";
import { orientationOf, turned, upright } from "./orientation.js";
import { inflated, readHeader } from "./syntax.js";
import { BitstreamError } from "./wire.js";

const PREVIEW_MS = 250; // at least, from one preview to the next
const STYLE = `
  :host { display: inline-block; max-width: 100%; }
  :host([hidden]) { display: none; }
  canvas { display: block; max-width: 100%; height: auto; }
  canvas[hidden], p[hidden] { display: none; }
  p { margin: 0; padding: 0.5em; border: 1px solid; font: inherit; }`;

export class InrImage extends HTMLElement {
  static observedAttributes = ["src", "alt"];

  #canvas = document.createElement("canvas");
  #fallback = document.createElement("p");
  #internals = this.attachInternals();
  #connected = false; // told so: attributes are told before
  #loading = null; // an AbortController

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // no style element: a strict policy refuses that
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.#canvas.part = "canvas";
    this.#fallback.part = "fallback";
    this.#fallback.hidden = true;
    root.append(this.#canvas, this.#fallback);
  }

  connectedCallback() {
    this.#connected = true;
    started();
    this.#describe();
    this.#load();
  }

  disconnectedCallback() {
    this.#connected = false;
    this.#loading?.abort();
  }

  attributeChangedCallback(name) {
    if (!this.#connected) return;
    if (name === "alt") this.#describe();
    else this.#load();
  }

  /** How long the whole file took to decode, of which waiting for the worker is part. */
  decodeMs = NaN;

  /** RGBA of what is shown, in its colour space. */
  get pixels() {
    const { width, height } = this.#canvas;
    return this.#canvas.getContext("2d").getImageData(0, 0, width, height).data;
  }

  /** Whether the whole picture is there. */
  get complete() {
    return this.#internals.states.has("complete");
  }

  /** Of the picture in pixels; 0 before its header has come. */
  get naturalWidth() {
    return this.#internals.states.has("sized") ? this.#canvas.width : 0;
  }

  get naturalHeight() {
    return this.#internals.states.has("sized") ? this.#canvas.height : 0;
  }

  /** An empty `alt` is a decoration, as with `<img>`. */
  #describe() {
    const alt = this.getAttribute("alt");
    this.#internals.role = alt === "" ? "presentation" : "img";
    this.#internals.ariaLabel = alt || null;
    this.#canvas.ariaHidden = "true";
    this.#fallback.textContent = alt || "This picture could not be shown.";
  }

  async #load() {
    this.#loading?.abort();
    const loading = (this.#loading = new AbortController());
    this.#show("loading");
    try {
      const data = await this.#fetched(this.src, loading.signal);
      const start = performance.now();
      const picture = await decode(data.buffer);
      this.decodeMs = performance.now() - start;
      this.#draw(picture, loading.signal);
      if (loading.signal.aborted) return;
      this.#show("complete");
      this.dispatchEvent(new Event("load"));
    } catch (error) {
      if (loading.signal.aborted) return;
      console.error(`inr-image: ${this.src}: ${error.message}`);
      this.#show("error");
      this.dispatchEvent(new ErrorEvent("error", { message: error.message, error }));
    }
  }

  /** One of the states loading, complete, error; loading, then "sized" stands beside it once the header is there. */
  #show(state) {
    const { states } = this.#internals;
    for (const other of ["loading", "complete", "error"]) states.delete(other);
    if (state !== "complete") states.delete("sized");
    states.add(state);
    this.#internals.ariaBusy = String(state === "loading");
    this.#fallback.hidden = state !== "error";
    this.#canvas.hidden = state === "error";
  }

  get src() {
    return new URL(this.getAttribute("src") ?? "", document.baseURI).href;
  }

  set src(value) {
    this.setAttribute("src", value);
  }

  /** All bytes; meanwhile the canvas takes its size, and previews are drawn. */
  async #fetched(url, signal) {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`wanted the file, got ${response.status} ${response.statusText}`);
    let data = new Uint8Array(0);
    let previewed = performance.now();
    let busy = false;
    for (const reader = response.body.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) return data;
      const longer = new Uint8Array(data.length + value.length);
      longer.set(data);
      longer.set(value, data.length);
      data = longer;
      if (!this.#internals.states.has("sized")) await this.#size(data, signal);
      else if (!busy && performance.now() - previewed > PREVIEW_MS) {
        busy = true;
        decode(data.buffer, { partial: true })
          .then((picture) => {
            if (this.complete || signal.aborted) return;
            this.#draw(picture, signal);
            this.dispatchEvent(new Event("preview"));
          })
          .catch(() => {}) // there is too little yet, or the whole file will say what is wrong
          .finally(() => ((busy = false), (previewed = performance.now())));
      }
    }
  }

  /** Lay out as soon as the header is there; a damaged one is refused with the whole file. */
  async #size(data, signal) {
    try {
      const { sections, signal: { width, height } } = readHeader(data, { checked: false }).header;
      const { exif } = await inflated(sections.exif ? { exif: sections.exif } : {});
      if (signal.aborted) return;
      this.#room(...(turned(orientationOf(exif)) ? [height, width] : [width, height]));
      this.dispatchEvent(new Event("sized"));
    } catch (error) {
      if (!(error instanceof BitstreamError && error.end)) throw error;
    }
  }

  #room(width, height) {
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    this.#internals.states.add("sized");
  }

  #draw({ orientation, colorSpace, ...picture }, signal) {
    if (signal.aborted) return;
    const { width, height, data } = upright(picture, orientation);
    this.#room(width, height);
    this.#context(colorSpace).putImageData(new ImageData(data, width, height, { colorSpace }), 0, 0);
  }

  /** A canvas has one colour space for good: another one's is a new canvas. */
  #context(colorSpace) {
    const context = this.#canvas.getContext("2d", { colorSpace });
    if (context.getContextAttributes().colorSpace === colorSpace) return context;
    const made = this.#canvas.cloneNode();
    this.#canvas.replaceWith(made);
    this.#canvas = made;
    return made.getContext("2d", { colorSpace });
  }
}
