// A recording's samples, fetched and decoded by segment, and chains of segments scheduled without gaps.
//
// A two-hour recording is never decoded whole: each segment is a small file of its own, exactly `segmentSeconds` long,
// and only the last few are kept.

import { bytesOf } from "./api.js";

const MAX_SEGMENTS = 16; // of 10 s, stereo, 48 kHz: 61 MB
const AHEAD_SECONDS = 6; // a hidden tab's timers run once a second
const SOON_SECONDS = 0.012;
const FADE_SECONDS = 0.006;

const decoded = new Map(); // URL → promise of an AudioBuffer, the least recently used first

const fetched = async (context, url) => context.decodeAudioData(await bytesOf(url));

export class Recording {
  // urlOf: from the number of a segment to its address.
  constructor(context, { durationSeconds, segmentSeconds, urlOf }) {
    this.context = context;
    this.durationSeconds = durationSeconds;
    this.segmentSeconds = segmentSeconds;
    this.urlOf = urlOf;
  }

  get numSegments() {
    return Math.max(1, Math.ceil(this.durationSeconds / this.segmentSeconds - 1e-6));
  }

  segment(index) {
    const url = this.urlOf(index);
    const known = decoded.get(url) ?? fetched(this.context, url);
    decoded.delete(url);
    decoded.set(url, known);
    known.catch(() => decoded.delete(url)); // a later try may succeed
    if (decoded.size > MAX_SEGMENTS) decoded.delete(decoded.keys().next().value);
    return known;
  }

  // The segment with this position; null outside the recording.
  segmentAt(positionSeconds) {
    const index = Math.floor(Math.max(0, positionSeconds) / this.segmentSeconds);
    return index < this.numSegments ? this.segment(index) : null;
  }

  // So that it can be heard at once where it is needed next.
  prefetch(positionSeconds) {
    this.segmentAt(positionSeconds)?.catch(() => {});
  }
}

// Plays a recording along a straight line: at `contextSeconds` the sample at `positionSeconds` is heard.
export class Chain {
  #sources = [];
  #stopped = false;

  constructor(output, recording, { contextSeconds, positionSeconds, rate }, onError) {
    this.context = output.context;
    this.recording = recording;
    this.startSeconds = contextSeconds;
    this.origin = positionSeconds - rate * contextSeconds;
    this.rate = rate;
    this.gain = new GainNode(this.context, { gain: 0 });
    this.gain.gain.setValueAtTime(0, contextSeconds);
    this.gain.gain.linearRampToValueAtTime(1, contextSeconds + FADE_SECONDS);
    this.gain.connect(output);
    this.#fill(positionSeconds).catch(onError);
  }

  positionAt(contextSeconds) {
    return this.origin + this.rate * contextSeconds;
  }

  stop(contextSeconds) {
    this.#stopped = true;
    this.gain.gain.cancelScheduledValues(contextSeconds);
    this.gain.gain.setValueAtTime(1, contextSeconds);
    this.gain.gain.linearRampToValueAtTime(0, contextSeconds + FADE_SECONDS);
    for (const source of this.#sources) source.stop(contextSeconds + 2 * FADE_SECONDS);
    setTimeout(() => this.gain.disconnect(), 1000);
  }

  async #fill(positionSeconds) {
    const { segmentSeconds, numSegments } = this.recording;
    for (let index = Math.floor(Math.max(0, positionSeconds) / segmentSeconds); index < numSegments; index += 1) {
      const buffer = await this.recording.segment(index);
      if (this.#stopped) return;
      this.#schedule(buffer, index * segmentSeconds);
      const endSeconds = ((index + 1) * segmentSeconds - this.origin) / this.rate;
      const waitSeconds = endSeconds - AHEAD_SECONDS - this.context.currentTime;
      if (waitSeconds > 0) await new Promise((resolve) => setTimeout(resolve, 1000 * waitSeconds));
      if (this.#stopped) return;
    }
  }

  #schedule(buffer, positionSeconds) {
    const startSeconds = (positionSeconds - this.origin) / this.rate;
    const earliest = Math.max(this.startSeconds, this.context.currentTime + SOON_SECONDS);
    const skipped = Math.max(0, (earliest - startSeconds) * this.rate);
    const length = Math.min(buffer.duration, this.recording.segmentSeconds) - skipped;
    if (length <= 0) return;
    const source = new AudioBufferSourceNode(this.context, { buffer, playbackRate: this.rate });
    source.connect(this.gain);
    source.onended = () => {
      this.#sources = this.#sources.filter((other) => other !== source);
    };
    source.start(Math.max(earliest, startSeconds), skipped, length);
    this.#sources.push(source);
  }
}
