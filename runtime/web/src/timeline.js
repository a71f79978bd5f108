/** When each frame of a clip is shown. */

const RATE = 25; // frames a second, where the file does not say
const NEXT = 1e-6; // seconds: a time that is rounded is still that of its frame

export class Timeline {
  constructor({ frames, facts }) {
    this.frames = frames;
    this.rate = facts?.rate ?? RATE;
    this.times = facts?.times ?? null; // of each frame, in seconds, where they are not even
  }

  /** Seconds. */
  get duration() {
    return this.timeOf(this.frames - 1) + 1 / this.rate;
  }

  timeOf(frame) {
    return this.times?.[frame] ?? frame / this.rate;
  }

  /** The last frame that is shown no later. */
  frameAt(seconds) {
    const { times, rate } = this;
    return this.clamped(times ? times.findLastIndex((time) => time <= seconds + NEXT) : Math.floor(seconds * rate + NEXT));
  }

  clamped(frame) {
    return Math.max(0, Math.min(frame, this.frames - 1));
  }
}
