"use strict";
// Draws the matrix, filters and sorts. Everything else on the page stands without it.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const baseName = (path) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1) || path;
const signed = (score) => (score < 0 ? "−" : "+") + Math.abs(score).toFixed(1);

// ---- filter and sort

const table = document.querySelector("table.pairs");
const rows = [...document.querySelectorAll("tbody tr")].map((element) => ({
  element,
  section: element.closest("section"),
  pair: table !== null && table.contains(element),
  confidence: Number(element.dataset.confidence),
  name: [...element.querySelectorAll(".name")].map((name) => name.textContent).join("\n"),
}));

const ORDERS = {
  doubtful: (a, b) => a.confidence - b.confidence,
  sure: (a, b) => b.confidence - a.confidence,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
};

function filter() {
  const wanted = byId("filter").value.trim().toLocaleLowerCase();
  const filled = new Set();
  let count = 0;
  for (const row of rows) {
    row.element.hidden = !row.name.toLocaleLowerCase().includes(wanted);
    if (row.element.hidden) continue;
    filled.add(row.section);
    count += 1;
  }
  for (const row of rows) row.section.hidden = !filled.has(row.section);
  byId("shown").textContent = wanted ? `${count} of ${rows.length} rows` : "";
}

function sort() {
  const pairs = rows.filter((row) => row.pair).sort(ORDERS[byId("sort").value]);
  table?.tBodies[0].append(...pairs.map((row) => row.element));
}

if (rows.length) document.querySelector(".controls").hidden = false;
byId("filter").addEventListener("input", filter);
byId("sort").addEventListener("change", sort);

// ---- matrix

const MAX_LABELS = 28, MAX_CELL = 52, MIN_EXTENT = 96, MAX_HEIGHT = 640, MAX_HEIGHT_OF_MANY = 1000, MANY = 100, LABEL_LENGTH = 104;
const numRows = data.videos.length, numColumns = data.audio.length;
const cellRows = data.cells.length, cellColumns = cellRows ? data.cells[0].length : 0;
const pooled = cellRows < numRows || cellColumns < numColumns;
const canvas = byId("canvas");
let frame = null; // where the cells lie within the canvas, in CSS pixels
let drawnWidth = null;
let current = null; // [row, column] under the cursor, in cells

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function layout(available) {
  const labelled = numRows <= MAX_LABELS && numColumns <= MAX_LABELS;
  const font = clamp((available * 0.4) / cellColumns, 7, 12);
  const longest = (paths) => (labelled ? longestLabel(paths, font) : 0);
  const left = labelled ? Math.min(longest(data.videos) + 9, available * 0.3) : 0;
  const slanted = Math.min(longest(data.audio), LABEL_LENGTH);
  const right = slanted * 0.5; // the last label leans out
  const top = labelled ? slanted * 0.87 + 14 : 0;
  const highest = cellRows > MANY ? MAX_HEIGHT_OF_MANY : MAX_HEIGHT;
  const side = Math.min(MAX_CELL, (available - left - right) / cellColumns, highest / cellRows);
  // A few rows against a thousand columns would be a hairline.
  const stretched = (cells) => Math.max(side, Math.min(MAX_CELL, MIN_EXTENT / cells));
  return { labelled, font, left, top, right, width: stretched(cellColumns), height: stretched(cellRows) };
}

function longestLabel(paths, font) {
  const pen = canvas.getContext("2d");
  pen.font = `${font}px ${getComputedStyle(canvas).fontFamily}`;
  return Math.max(...paths.map((path) => pen.measureText(baseName(path)).width)) + 2;
}

function heatColours() {
  const style = getComputedStyle(document.documentElement);
  return ["--heat-0", "--heat-1", "--heat-2"].map((name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

function heatImage() {
  const colours = heatColours();
  const image = new ImageData(cellColumns, cellRows);
  data.cells.flat().forEach((score, index) => {
    if (score === null) return; // stays transparent: the hatching below shows
    const place = clamp((score - data.low) / (data.high - data.low), 0, 1) * 2;
    const from = Math.min(1, Math.floor(place));
    for (let channel = 0; channel < 3; channel += 1) {
      const [start, end] = [colours[from][channel], colours[from + 1][channel]];
      image.data[index * 4 + channel] = start + (end - start) * (place - from);
    }
    image.data[index * 4 + 3] = 255;
  });
  const sheet = document.createElement("canvas");
  sheet.width = cellColumns;
  sheet.height = cellRows;
  sheet.getContext("2d").putImageData(image, 0, 0);
  return sheet;
}

function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let length = text.length - 1;
  while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}

function drawLabels(pen) {
  const style = getComputedStyle(canvas);
  pen.fillStyle = style.color;
  pen.textBaseline = "middle";
  pen.font = `${frame.font}px ${style.fontFamily}`;
  pen.textAlign = "right";
  data.videos.forEach((path, row) => {
    const text = fitted(pen, baseName(path), frame.left - 8);
    pen.fillText(text, frame.left - 8, frame.top + (row + 0.5) * frame.height);
  });
  pen.textAlign = "left";
  data.audio.forEach((path, column) => {
    pen.save();
    pen.translate(frame.left + (column + 0.5) * frame.width, frame.top - 7);
    pen.rotate(-Math.PI / 3);
    pen.fillText(fitted(pen, baseName(path), LABEL_LENGTH), 0, 0);
    pen.restore();
  });
}

function drawPairs(pen) {
  const style = getComputedStyle(document.documentElement);
  const side = Math.min(frame.width, frame.height);
  if (pooled || side < 3) return;
  const radius = Math.max(side * 0.16, 1);
  pen.fillStyle = style.getPropertyValue("--paper");
  pen.strokeStyle = style.getPropertyValue("--ink");
  pen.lineWidth = Math.min(1, side / 8);
  data.partners.forEach((column, row) => {
    if (column === null) return;
    pen.beginPath();
    pen.arc(frame.left + (column + 0.5) * frame.width, frame.top + (row + 0.5) * frame.height, radius, 0, 7);
    pen.fill();
    pen.stroke();
  });
}

function draw() {
  drawnWidth = canvas.parentElement.clientWidth;
  frame = layout(drawnWidth);
  const width = frame.left + frame.width * cellColumns + frame.right;
  const height = frame.top + frame.height * cellRows;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.imageSmoothingEnabled = false;
  hatch(pen);
  pen.drawImage(heatImage(), frame.left, frame.top, frame.width * cellColumns, frame.height * cellRows);
  drawPairs(pen);
  if (frame.labelled) drawLabels(pen);
  place();
}

function drawIfResized() {
  if (canvas.parentElement.clientWidth !== drawnWidth) draw();
}

function hatch(pen) {
  const right = frame.left + frame.width * cellColumns, bottom = frame.top + frame.height * cellRows;
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, frame.top, right - frame.left, bottom - frame.top);
  pen.clip();
  pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--rule");
  pen.beginPath();
  for (let x = frame.left - bottom; x < right; x += 6) {
    pen.moveTo(x, bottom);
    pen.lineTo(x + bottom, 0);
  }
  pen.stroke();
  pen.restore();
}

// ---- pointing at a cell

// The files that a row or column of cells stands for: [first, behind the last].
const block = (cell, cells, size) => [Math.floor((cell * size) / cells), Math.floor(((cell + 1) * size) / cells)];

function place() {
  const cursor = byId("cursor"), across = byId("across"), down = byId("down");
  for (const mark of [cursor, across, down]) mark.hidden = current === null;
  if (current === null) return;
  const [row, column] = current;
  across.style.cssText = `left:${frame.left}px;top:${frame.top + (row + 0.5) * frame.height}px;width:${frame.width * cellColumns}px`;
  down.style.cssText = `left:${frame.left + (column + 0.5) * frame.width}px;top:${frame.top}px;height:${frame.height * cellRows}px`;
  cursor.style.left = `${frame.left + column * frame.width}px`;
  cursor.style.top = `${frame.top + row * frame.height}px`;
  cursor.style.width = `${Math.max(4, frame.width)}px`;
  cursor.style.height = `${Math.max(4, frame.height)}px`;
}

function line(className, ...parts) {
  const paragraph = document.createElement("p");
  paragraph.className = className;
  paragraph.append(...parts);
  return paragraph;
}

function named(paths, [start, end]) {
  const name = document.createElement("bdi");
  name.className = "name";
  name.textContent = end - start === 1 ? paths[start] : `${paths[start]} … ${paths[end - 1]} (${end - start})`;
  return name;
}

function copies(start, column) {
  const still = byId(`v${data.videoIds[start]}`)?.querySelector("img.still");
  const wave = document.querySelector(`[data-sound="a${data.audioIds[column]}"] svg`);
  return [still, wave].filter(Boolean).map((element) => element.cloneNode(true));
}

function read() {
  const [row, column] = current;
  const score = data.cells[row][column];
  const videos = block(row, cellRows, numRows), audio = block(column, cellColumns, numColumns);
  const single = videos[1] - videos[0] === 1 && audio[1] - audio[0] === 1;
  const decided = single && data.partners[videos[0]] === audio[0];
  const words = score === null ? "no score" : `${single ? "score" : "strongest score"} ${signed(score)}`;
  byId("readout").replaceChildren(
    line("copies", ...(single ? copies(videos[0], audio[0]) : [])),
    line("", named(data.videos, videos)),
    line("", named(data.audio, audio)),
    line("score", words, ...(decided ? [" · decided pair"] : [])),
  );
}

function point(row, column) {
  const next = [clamp(row, 0, cellRows - 1), clamp(column, 0, cellColumns - 1)];
  if (current && current[0] === next[0] && current[1] === next[1]) return;
  current = next;
  place();
  read();
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left - frame.left) / frame.width);
  const row = Math.floor((event.clientY - box.top - frame.top) / frame.height);
  if (row >= 0 && column >= 0 && row < cellRows && column < cellColumns) point(row, column);
}

function goToVideo() {
  if (current === null) return;
  const element = byId(`v${data.videoIds[block(current[0], cellRows, numRows)[0]]}`);
  if (!element) return;
  byId("filter").value = "";
  filter();
  location.hash = element.id;
  element.scrollIntoView({ block: "center" });
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function onKey(event) {
  if (event.key === "Enter") goToVideo();
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const [row, column] = current ?? [0, -step[1]];
  point(row + step[0], column + step[1]);
}

if (canvas !== null) {
  byId("low").textContent = `≤ ${signed(data.low)}`;
  byId("high").textContent = signed(data.high);
  canvas.addEventListener("pointermove", pointAt);
  canvas.addEventListener("pointerdown", pointAt);
  canvas.addEventListener("dblclick", goToVideo);
  canvas.addEventListener("keydown", onKey);
  draw();
  new ResizeObserver(() => requestAnimationFrame(drawIfResized)).observe(canvas.parentElement);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
}
