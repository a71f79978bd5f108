/** Frames of a file, decoded before they are shown. */

const AHEAD = 4; // frames

export class Ahead {
  #file;
  #failed; // is told what went wrong
  #ready = new Map(); // pictures by frame
  #pending = new Map(); // promises by frame
  #last = 0; // that was asked for

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

  /** Let the next ones be decoded and forget others: what is late is left out. */
  fill(shown, due) {
    const end = this.#file.frames;
    this.#forget((frame) => frame < shown || frame > due + 2 * AHEAD);
    while (this.#pending.size + this.#ready.size <= AHEAD && this.#last < end - 1)
      this.#ask(Math.min(Math.max(this.#last + 1, due), end - 1));
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
    }
  }

  #forget(gone) {
    for (const frame of this.#ready.keys()) if (gone(frame)) this.#ready.delete(frame);
  }
}
