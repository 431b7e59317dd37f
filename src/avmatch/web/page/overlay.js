// Over the picture, on demand: the faces that were found, and where the sound comes from.

import { Drawing } from "./canvas.js";
import { scoreText } from "./wording.js";

const GRID_OPACITY = 0.62;

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

export class Overlay extends Drawing {
  constructor(canvas, video) {
    super(canvas);
    this.video = video;
    this.answer = null;
    this.timeSeconds = 0;
    this.shows = { faces: false, heat: false };
    this.small = document.createElement("canvas");
  }

  get isWanted() {
    return this.shows.faces || this.shows.heat;
  }

  load(answer) {
    this.answer = answer;
    this.best = Math.max(0, ...(answer?.faces ?? []).map(({ score }) => score ?? 0)); // whose mouth goes with the sound
    this.cells = answer?.heat ? bytesOf(answer.heat.cells) : null;
    this.redraw();
  }

  at(timeSeconds) {
    this.timeSeconds = timeSeconds;
    if (this.isWanted && this.answer) this.redraw();
  }

  // Where the picture lies in its box: the video keeps its shape.
  #box() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(this.width / (videoWidth || 16), this.height / (videoHeight || 9));
    const [width, height] = [(videoWidth || 16) * scale, (videoHeight || 9) * scale];
    return [(this.width - width) / 2, (this.height - height) / 2, width, height];
  }

  draw(pen) {
    if (!this.answer) return;
    if (this.shows.heat && this.cells) this.#drawHeat(pen);
    if (this.shows.faces) for (const track of this.answer.faces) this.#drawFace(pen, track, track.score !== null && track.score >= this.best);
  }

  #drawHeat(pen) {
    const { grid, rate_hz: rate, num_frames: numFrames } = this.answer.heat;
    const frame = Math.min(numFrames - 1, Math.max(0, Math.round(this.timeSeconds * rate)));
    this.small.width = grid;
    this.small.height = grid;
    const image = new ImageData(grid, grid);
    for (let cell = 0; cell < grid * grid; cell += 1) {
      const heat = this.cells[frame * grid * grid + cell];
      image.data.set([255, 200 - 0.7 * heat, 60 - 0.2 * heat, GRID_OPACITY * heat], 4 * cell);
    }
    this.small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.small, ...this.#box());
  }

  #drawFace(pen, { begin_seconds: begin, rate_hz: rate, boxes, score }, isSpeaker) {
    const shares = boxes[Math.round((this.timeSeconds - begin) * rate)];
    if (!shares) return;
    const [left, top, width, height] = this.#box();
    const [x, y, w, h] = shares;
    const [boxLeft, boxTop] = [left + x * width, top + y * height];
    pen.strokeStyle = isSpeaker ? "#7fe3df" : "#fff";
    pen.lineWidth = isSpeaker ? 2.5 : 1.5;
    pen.shadowColor = "#000";
    pen.shadowBlur = 3;
    pen.strokeRect(boxLeft, boxTop, w * width, h * height);
    if (score !== null) {
      pen.fillStyle = "#fff";
      pen.textBaseline = "bottom";
      pen.fillText(`${isSpeaker ? "speaks " : ""}${scoreText(score)}`, boxLeft, boxTop - 2);
    }
    pen.shadowBlur = 0;
  }
}
