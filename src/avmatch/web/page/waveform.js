// Two drawings of the recording: the whole of it with the clip's place, and some seconds around the playhead with the
// frames of the video above them. Dragging either moves the sound against the picture.

import { clamp, Drawing, niceStep, onDrag } from "./canvas.js";
import { clockTime } from "./wording.js";

// The whole recording; the clip is the bright part of it.
export class Overview extends Drawing {
  constructor(canvas, { onOffset, onSeek }) {
    super(canvas);
    this.peaks = [];
    this.durationSeconds = 0;
    this.clipSeconds = 0;
    this.offsetSeconds = 0;
    this.timeSeconds = 0;
    let before = 0;
    onDrag(canvas, {
      start: () => { before = this.offsetSeconds; },
      move: (distance) => onOffset(before + (distance / this.width) * this.#spanSeconds, false),
      end: (distance, event) => {
        if (Math.abs(distance) < 3) onSeek(this.#secondsAt(event.offsetX) - this.offsetSeconds);
        else onOffset(before + (distance / this.width) * this.#spanSeconds, true);
      },
    });
  }

  show(values) {
    Object.assign(this, values);
    this.redraw();
  }

  // The clip may begin before the recording and end behind it.
  get #startSeconds() {
    return Math.min(0, this.offsetSeconds);
  }

  get #spanSeconds() {
    const end = Math.max(this.durationSeconds, this.offsetSeconds + this.clipSeconds);
    return Math.max(end - this.#startSeconds, 1e-3);
  }

  #secondsAt(x) {
    return this.#startSeconds + (x / this.width) * this.#spanSeconds;
  }

  #xAt(seconds) {
    return ((seconds - this.#startSeconds) / this.#spanSeconds) * this.width;
  }

  #peakBetween(left, right) {
    const [first, last] = [left, right].map((x) => (this.#secondsAt(x) / this.durationSeconds) * this.peaks.length);
    if (last <= 0 || first >= this.peaks.length) return null;
    let peak = 0;
    for (let index = Math.max(0, Math.floor(first)); index < Math.min(this.peaks.length, Math.ceil(last)); index += 1) {
      peak = Math.max(peak, this.peaks[index]);
    }
    return peak;
  }

  draw(pen) {
    if (!this.durationSeconds) return;
    const { width, height } = this;
    const [left, right] = [this.#xAt(this.offsetSeconds), this.#xAt(this.offsetSeconds + this.clipSeconds)];
    const shownRight = Math.max(right, left + 3);
    pen.fillStyle = this.colour("wash");
    pen.fillRect(left, 0, shownRight - left, height);
    const bars = (from, to, colour) => this.bars(from, to, height / 2, height / 2 - 3, colour, (a, b) => this.#peakBetween(a, b));
    bars(0, left, this.colour("faint"));
    bars(clamp(left, 0, width), clamp(shownRight, 0, width), this.colour("accent"));
    bars(shownRight, width, this.colour("faint"));
    for (const x of [left, shownRight]) this.line(clamp(x, 0.75, width - 0.75), 0, height, this.colour("accent"), 1.5);
    this.line(this.#xAt(this.offsetSeconds + this.timeSeconds), 0, height, this.colour("ink"), 1.5);
  }
}

// Some seconds around the playhead, which stays in the middle.
export class Detail extends Drawing {
  constructor(canvas, { onOffset }) {
    super(canvas);
    this.recording = null;
    this.offsetSeconds = 0;
    this.timeSeconds = 0;
    this.clipSeconds = 0;
    this.frameSeconds = 1 / 25;
    this.spanSeconds = 3;
    this.buffers = new Map();
    let before = 0;
    // The drawing follows the finger: to the right, an earlier part of the recording meets the playhead.
    const moved = (distance) => before - (distance / this.width) * this.spanSeconds;
    onDrag(canvas, {
      start: () => { before = this.offsetSeconds; },
      move: (distance) => onOffset(moved(distance), false),
      end: (distance) => onOffset(moved(distance), true),
    });
  }

  show(values) {
    if ("recording" in values && values.recording !== this.recording) this.buffers.clear();
    Object.assign(this, values);
    this.redraw();
  }

  zoom(factor) {
    this.show({ spanSeconds: clamp(this.spanSeconds * factor, 0.25, 24) });
  }

  #secondsAt(x) {
    return this.timeSeconds + (x / this.width - 0.5) * this.spanSeconds;
  }

  #xAt(seconds) {
    return ((seconds - this.timeSeconds) / this.spanSeconds + 0.5) * this.width;
  }

  #buffer(index) {
    if (index < 0 || index >= this.recording.numSegments) return null;
    if (!this.buffers.has(index)) {
      const { recording, buffers } = this;
      if (buffers.size > 4) buffers.clear();
      buffers.set(index, null);
      recording.segment(index).then(
        (buffer) => {
          if (recording !== this.recording) return;
          buffers.set(index, buffer.getChannelData(0));
          this.redraw();
        },
        () => {}, // the player says that a sound can't be read
      );
    }
    return this.buffers.get(index);
  }

  #peakBetween(left, right) {
    const { segmentSeconds, context } = this.recording;
    const position = this.#secondsAt(left) + this.offsetSeconds;
    const index = Math.floor(position / segmentSeconds);
    const samples = this.#buffer(index);
    if (!samples) return null;
    const rate = context.sampleRate;
    const first = Math.floor((position - index * segmentSeconds) * rate);
    const last = Math.min(samples.length, first + Math.ceil(((right - left) / this.width) * this.spanSeconds * rate));
    const step = Math.max(1, Math.floor((last - first) / 64));
    let peak = 0;
    for (let place = Math.max(0, first); place < last; place += step) peak = Math.max(peak, Math.abs(samples[place]));
    return Math.sqrt(peak); // quiet sounds matter as much
  }

  draw(pen) {
    const { width, height, rem } = this;
    const top = 1.3 * rem;
    const [left, right] = [this.#xAt(0), this.#xAt(this.clipSeconds)].map((x) => clamp(x, 0, width));
    pen.fillStyle = this.colour("wash");
    pen.fillRect(left, top, right - left, height - top);
    this.#drawFrames(top);
    this.#drawSeconds(pen, top);
    const middle = (top + height) / 2;
    if (this.recording) {
      this.bars(0, width, middle, (height - top) / 2 - 2, this.colour("accent"), (a, b) => this.#peakBetween(a, b));
    }
    this.line(width / 2, 0, height, this.colour("ink"), 1.5);
  }

  #drawFrames(top) {
    const frameWidth = (this.frameSeconds / this.spanSeconds) * this.width;
    if (frameWidth < 5) return;
    const first = Math.max(0, Math.ceil(this.#secondsAt(0) / this.frameSeconds));
    const last = Math.min(this.#secondsAt(this.width), this.clipSeconds) / this.frameSeconds;
    for (let frame = first; frame <= last; frame += 1) {
      this.line(this.#xAt(frame * this.frameSeconds), top, top + 0.35 * this.rem, this.colour("muted"));
    }
  }

  #drawSeconds(pen, top) {
    const step = niceStep((this.spanSeconds * 5 * this.rem) / this.width);
    const first = Math.ceil(Math.max(0, this.#secondsAt(0)) / step);
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    for (let tick = first; tick * step <= Math.min(this.#secondsAt(this.width), this.clipSeconds); tick += 1) {
      const x = this.#xAt(tick * step);
      this.line(x, top, this.height, this.colour("rule"));
      pen.fillStyle = this.colour("muted");
      const text = clockTime(tick * step, step);
      const half = pen.measureText(text).width / 2;
      if (x >= half && x + half <= this.width) pen.fillText(text, x, top / 2); // never cut
    }
  }
}
