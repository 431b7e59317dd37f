// What the three drawings share: sharp pixels, the page's colours, redrawing once a frame, dragging.

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Drawing {
  #queued = false;

  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.redraw()).observe(canvas);
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => this.redraw());
    }
  }

  get width() {
    return this.canvas.clientWidth;
  }

  get height() {
    return this.canvas.clientHeight;
  }

  // Size of one rem, so that text and handles grow with the page.
  get rem() {
    return parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  colour(name) {
    return getComputedStyle(this.canvas).getPropertyValue(`--${name}`).trim();
  }

  redraw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      if (this.width && this.height) this.#draw();
    });
  }

  #draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, this.width, this.height);
    this.pen.font = `${0.72 * this.rem}px ${getComputedStyle(this.canvas).fontFamily}`;
    this.draw(this.pen);
  }

  line(x, top, bottom, colour, width = 1) {
    this.pen.strokeStyle = colour;
    this.pen.lineWidth = width;
    this.pen.beginPath();
    this.pen.moveTo(x, top);
    this.pen.lineTo(x, bottom);
    this.pen.stroke();
  }

  // Bars around a middle line; `peakAt(x)` is 0…1 for the column of pixels at x, or null where there is nothing.
  bars(left, right, middle, halfHeight, colour, peakAt) {
    this.pen.fillStyle = colour;
    for (let x = Math.floor(left); x < right; x += 2) {
      const peak = peakAt(x, x + 2);
      if (peak === null) continue;
      const half = Math.max(0.5, Math.min(1, peak) * halfHeight);
      this.pen.fillRect(x, middle - half, 1.4, 2 * half);
    }
  }
}

// move(dx in CSS pixels since the start, the event); start and end may do more.
export function onDrag(element, { start = () => {}, move, end = () => {} }) {
  let from = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    from = event.clientX;
    start(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (from !== null) move(event.clientX - from, event);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, (event) => {
      if (from === null) return;
      const distance = event.clientX - from;
      from = null;
      end(distance, event);
    });
  }
}

// A step of 1, 2 or 5 times a power of ten, at least `smallest`.
export function niceStep(smallest) {
  const power = 10 ** Math.floor(Math.log10(smallest));
  return power * ([1, 2, 5].find((factor) => factor * power >= smallest) ?? 10);
}
