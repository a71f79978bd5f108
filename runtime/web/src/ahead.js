/** Frames of a file, decoded before they are shown. */

const AHEAD = 4; // frames
const PACED = 4; // frames by which it is told how fast they come

export class Ahead {
  #file;
  #failed; // is told what went wrong
  #ready = new Map(); // pictures by frame
  #pending = new Map(); // promises by frame
  #last = 0; // that was asked for
  #come = []; // when the latest ones were there, in ms, as long as some were awaited

  constructor(file, failed) {
    this.#file = file;
    this.#failed = failed;
  }

  /** Its picture, or null where there is none. */
  async get(frame) {
    this.#forget((other) => other < frame || other > frame + 2 * AHEAD);
    await this.#ask(frame);
    return this.#ready.get(frame) ?? null;
  }

  /** The newest that is there, after the frame that is `shown` and up to the one that is `due`, as [frame, picture]; or null. */
  newest(shown, due) {
    const found = Math.max(...[...this.#ready.keys()].filter((frame) => frame > shown && frame <= due));
    return found > shown ? [found, this.#ready.get(found)] : null;
  }

  /** Let the next ones be decoded and forget others; `due` tells the frame in so many ms: what would be late is left out. */
  fill(shown, due) {
    const end = this.#file.frames;
    this.#forget((frame) => frame < shown || frame > this.#last + 2 * AHEAD);
    while (this.#pending.size + this.#ready.size <= AHEAD && this.#last < end - 1)
      this.#ask(Math.min(Math.max(this.#last + 1, due(this.#wait)), end - 1));
  }

  /** Until what is asked for now would be there, in ms. */
  get #wait() {
    const { length, [0]: first, [length - 1]: last } = this.#come;
    return length > PACED ? ((this.#pending.size + 1) * (last - first)) / PACED : 0;
  }

  #ask(frame) {
    this.#last = frame;
    if (this.#ready.has(frame)) return;
    if (!this.#pending.has(frame)) this.#pending.set(frame, this.#read(frame));
    return this.#pending.get(frame);
  }

  async #read(frame) {
    try {
      this.#ready.set(frame, await this.#file.read(frame));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#pending.delete(frame);
      this.#come = this.#pending.size ? [...this.#come.slice(-PACED), performance.now()] : [];
    }
  }

  #forget(gone) {
    for (const frame of this.#ready.keys()) if (gone(frame)) this.#ready.delete(frame);
  }
}
