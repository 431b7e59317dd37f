// Which position of the sound must be heard at which time of the audio hardware, from what the screen shows.
//
// Three clocks are involved: the media time of the video's frames, the page's time (performance.now), and the time of
// the AudioContext. requestVideoFrameCallback says which frame is displayed when on the page's clock, and
// getOutputTimestamp says which sample leaves the hardware when on the same clock. The medians of both over the last
// frames make one line: media time as a function of context time. Everything is in seconds.

const NUM_FRAMES = 15;
const NUM_STAMPS = 31;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function pushed(values, value, limit) {
  values.push(value);
  if (values.length > limit) values.shift();
}

export class Clock {
  #context;
  #rate = 1;
  #frames = []; // media time at page time 0, extrapolated from each frame
  #stamps = []; // page time at context time 0

  constructor(context) {
    this.#context = context;
  }

  get rate() {
    return this.#rate;
  }

  get numFrames() {
    return this.#frames.length;
  }

  // After a seek, a pause, a stall or a change of speed the earlier frames say nothing.
  restart(rate = this.#rate) {
    this.#rate = rate;
    this.#frames = [];
  }

  // A frame with this media time is on the screen at this page time.
  frame(mediaSeconds, displayMilliseconds) {
    pushed(this.#frames, mediaSeconds - (this.#rate * displayMilliseconds) / 1000, NUM_FRAMES);
    this.#stamp();
  }

  // The media time that is on the screen while the sample of this context time is heard.
  mediaAt(contextSeconds) {
    if (!this.#stamps.length) this.#stamp();
    return median(this.#frames) + this.#rate * (contextSeconds + median(this.#stamps));
  }

  #stamp() {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp?.() ?? {};
    if (performanceTime > 0) {
      pushed(this.#stamps, performanceTime / 1000 - contextTime, NUM_STAMPS);
      return;
    }
    const latency = this.#context.outputLatency || this.#context.baseLatency || 0;
    pushed(this.#stamps, performance.now() / 1000 - this.#context.currentTime + latency, NUM_STAMPS);
  }
}
