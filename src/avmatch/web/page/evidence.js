// The evidence of a pair over offsets: the measured offset and its interval, the rivals, and a handle to drag.

import { clamp, Drawing, niceStep, onDrag } from "./canvas.js";
import { offsetText, percent } from "./wording.js";

const MIN_SPAN_SECONDS = 0.05;

export class Evidence extends Drawing {
  constructor(canvas, { onOffset }) {
    super(canvas);
    this.onOffset = onOffset;
    this.clear();
    let hit = null;
    onDrag(canvas, {
      start: (event) => { hit = this.#rivalAt(event.offsetX); },
      move: (distance, event) => onOffset(this.#secondsAt(clamp(event.offsetX, 0, this.width)), false),
      end: (distance, event) => {
        const isClick = Math.abs(distance) < 3;
        onOffset(isClick && hit !== null ? hit : this.#secondsAt(clamp(event.offsetX, 0, this.width)), true);
      },
    });
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
  }

  clear() {
    Object.assign(this, { lags: [], values: [], rivals: [], interval: null, measured: null, offsetSeconds: null });
    this.range = [-0.5, 0.5];
    this.redraw();
  }

  // A new pair: `answer` is what the server says of it.
  load(answer) {
    this.lags = answer.lags_seconds;
    this.values = answer.scores;
    this.rivals = answer.rivals;
    this.interval = answer.offset_interval_seconds;
    this.measured = answer.offset_seconds;
    if (this.lags.length > 1) this.range = [this.lags[0], this.lags.at(-1)];
    this.redraw();
  }

  show(offsetSeconds) {
    this.offsetSeconds = offsetSeconds;
    if (offsetSeconds !== null) {
      const [low, high] = this.range;
      if (offsetSeconds < low) this.range = [offsetSeconds - 0.05 * (high - low), high];
      if (offsetSeconds > high) this.range = [low, offsetSeconds + 0.05 * (high - low)];
    }
    this.redraw();
  }

  #xAt(seconds) {
    const [low, high] = this.range;
    return ((seconds - low) / (high - low)) * this.width;
  }

  #secondsAt(x) {
    const [low, high] = this.range;
    return low + (x / this.width) * (high - low);
  }

  #rivalAt(x) {
    const near = this.rivals.map(({ offset_seconds: seconds }) => seconds).concat(this.measured ?? []);
    return near.find((seconds) => Math.abs(this.#xAt(seconds) - x) < 0.6 * this.rem) ?? null;
  }

  #onWheel(event) {
    if (!this.lags.length || !(event.ctrlKey || event.shiftKey)) return; // otherwise the page scrolls
    event.preventDefault();
    const [low, high] = this.range;
    const centre = this.#secondsAt(event.offsetX);
    const factor = (event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8;
    if ((high - low) * factor < MIN_SPAN_SECONDS) return;
    const limits = [this.lags[0], this.lags.at(-1)];
    this.range = [Math.max(limits[0], centre + (low - centre) * factor), Math.min(limits[1], centre + (high - centre) * factor)];
    this.redraw();
  }

  draw(pen) {
    const { width, height, rem } = this;
    const [top, bottom] = [1.3 * rem, height - 1.4 * rem];
    this.#drawAxis(pen, top, bottom);
    if (this.interval) {
      pen.fillStyle = this.colour("wash");
      const [left, right] = this.interval.map((seconds) => this.#xAt(seconds));
      pen.fillRect(left, top, Math.max(2, right - left), bottom - top);
    }
    this.#drawCurve(pen, top, bottom);
    pen.textBaseline = "middle";
    const taken = []; // where words stand
    if (this.measured !== null) this.#drawMark(pen, this.measured, "measured", "accent", [top, bottom], taken);
    for (const rival of this.rivals) this.#drawMark(pen, rival.offset_seconds, percent(rival.probability), "doubt", [top, bottom], taken);
    if (this.offsetSeconds === null) return;
    const x = clamp(this.#xAt(this.offsetSeconds), 1, width - 1);
    this.line(x, top - 0.3 * rem, bottom, this.colour("ink"), 1.5);
    pen.fillStyle = this.colour("ink");
    pen.beginPath();
    pen.arc(x, bottom, 0.36 * rem, 0, 7);
    pen.fill();
  }

  #drawAxis(pen, top, bottom) {
    const [low, high] = this.range;
    const step = niceStep(((high - low) * 6 * this.rem) / this.width);
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    for (let tick = Math.ceil(low / step); tick * step <= high; tick += 1) {
      const x = this.#xAt(tick * step);
      this.line(x, top, bottom, this.colour("rule"));
      pen.fillStyle = this.colour("muted");
      const text = offsetText(tick * step, step < 0.001 ? 1 : 0);
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, clamp(x, half, this.width - half), this.height - 0.55 * this.rem);
    }
  }

  #drawCurve(pen, top, bottom) {
    const finite = this.values.filter((value) => value !== null);
    if (!finite.length) return;
    // Not Math.min(...values): a long recording has more values than a call takes arguments.
    const [low, high] = finite.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    const scale = (bottom - top) / Math.max(high - low, 1e-9);
    const columns = this.#columnTops();
    pen.strokeStyle = this.colour("accent");
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.beginPath();
    columns.forEach(([x, value], place) => pen[place ? "lineTo" : "moveTo"](x, bottom - (value - low) * scale));
    pen.stroke();
  }

  // The largest value in each column of pixels, so that no peak is lost.
  #columnTops() {
    const columns = new Map();
    this.lags.forEach((lag, place) => {
      const value = this.values[place];
      const x = Math.round(2 * this.#xAt(lag)) / 2;
      if (value === null || x < -20 || x > this.width + 20) return;
      columns.set(x, Math.max(value, columns.get(x) ?? -Infinity));
    });
    return [...columns];
  }

  #drawMark(pen, seconds, text, colour, [top, bottom], taken) {
    const x = this.#xAt(seconds);
    if (x < 0 || x > this.width) return;
    pen.setLineDash([3, 3]);
    this.line(x, top, bottom, this.colour(colour), 1.25);
    pen.setLineDash([]);
    pen.fillStyle = this.colour(colour);
    pen.textAlign = "center";
    const half = pen.measureText(text).width / 2;
    const middle = clamp(x, half, this.width - half);
    if (taken.some(([place, width]) => Math.abs(place - middle) < width + half)) return;
    taken.push([middle, half + 2]);
    pen.fillText(text, middle, top / 2);
  }
}
