// One group of the queue: thousands of rows, of which only those in sight are fetched and drawn.

import { element } from "./dom.js";

const PAGE = 100;
const OVERSCAN = 4;
const ROW_REM = 4.25;

export class Group {
  #elements = new Map(); // index → {row, item}
  #asked = new Set();
  #generation = 0;

  // fetchPage(section, offset, limit) → {total, rows}; draw(row) → children of an option.
  constructor(scroller, { section, title, isOpen, fetchPage, draw, onChoose }) {
    Object.assign(this, { scroller, section, title, fetchPage, draw, onChoose });
    this.rows = [];
    this.total = 0;
    this.selectedId = null;
    this.number = element("small");
    this.toggle = element("button", { type: "button", "aria-expanded": String(isOpen) }, title, this.number);
    this.list = element("div", { class: "rows", role: "listbox", tabindex: 0, id: `rows-${section}`, "aria-label": title });
    this.list.hidden = !isOpen;
    this.toggle.addEventListener("click", () => this.open(!this.isOpen));
    this.list.addEventListener("click", (event) => this.#onClick(event));
    this.element = element("section", { class: `group ${section}` }, element("h2", {}, this.toggle), this.list);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  get rowHeight() {
    return ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  open(isOpen) {
    this.list.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.scroller.dispatchEvent(new Event("scroll")); // the groups below have moved
  }

  // Forget all rows and fetch again what is in sight.
  async reload() {
    this.#generation += 1;
    this.#asked.clear();
    const first = Math.max(0, Math.floor(this.#sight()[0] / PAGE)) * PAGE;
    await this.#fetch(first, true);
  }

  async #fetch(offset, isFresh = false) {
    const generation = this.#generation;
    this.#asked.add(offset);
    const page = await this.fetchPage(this.section, offset, PAGE);
    if (generation !== this.#generation) return;
    if (isFresh) this.rows = [];
    this.total = page.total;
    this.rows.length = page.total;
    page.rows.forEach((row, place) => { this.rows[offset + place] = row; });
    if (isFresh && offset >= page.total && page.total > 0) await this.#fetch(0, true);
    this.render();
  }

  async rowAt(index) {
    if (index < 0 || index >= this.total) return null;
    if (!this.rows[index]) await this.#fetch(Math.floor(index / PAGE) * PAGE);
    return this.rows[index] ?? null;
  }

  indexOf(id) {
    return this.rows.findIndex((row) => row?.id === id);
  }

  remove(index) {
    this.rows.splice(index, 1);
    this.total -= 1;
    this.#asked.clear();
    this.render();
  }

  put(index, row) {
    this.rows[index] = row;
    this.render();
  }

  unshift(row) {
    this.rows.unshift(row);
    this.total += 1;
    this.#asked.clear();
    this.render();
  }

  select(id) {
    this.selectedId = id;
    this.render();
  }

  reveal(index) {
    const { rowHeight } = this;
    const top = this.#top() + index * rowHeight;
    const room = this.scroller.clientHeight;
    const heading = this.toggle.offsetHeight;
    if (top - heading < this.scroller.scrollTop) this.scroller.scrollTop = top - heading;
    else if (top + rowHeight > this.scroller.scrollTop + room) this.scroller.scrollTop = top + rowHeight - room;
    this.render();
  }

  #top() {
    return this.list.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top + this.scroller.scrollTop;
  }

  #sight() {
    const start = this.scroller.scrollTop - this.#top();
    return [start / this.rowHeight, (start + this.scroller.clientHeight) / this.rowHeight];
  }

  render() {
    this.number.textContent = this.total.toLocaleString("en");
    this.element.hidden = this.total === 0 && this.section !== "check";
    if (!this.isOpen) return;
    this.list.style.height = `${this.total * this.rowHeight}px`;
    const [from, to] = this.#sight();
    const first = Math.max(0, Math.floor(from) - OVERSCAN);
    const last = Math.min(this.total, Math.ceil(to) + OVERSCAN);
    for (const [index, { item }] of this.#elements) {
      if (index >= first && index < last) continue;
      item.remove();
      this.#elements.delete(index);
    }
    for (let index = first; index < last; index += 1) this.#place(index);
    this.#fetchMissing(first, last);
    this.#markActive();
  }

  #place(index) {
    const row = this.rows[index];
    const isSelected = row !== undefined && row.id === this.selectedId;
    const known = this.#elements.get(index);
    if (!known || known.row !== row) {
      const item = element("div", { role: "option", class: "row", "data-index": index, id: `row-${this.section}-${index}` });
      item.append(...(row ? this.draw(row) : [element("span", { class: "loading" }, "…")]));
      item.style.transform = `translateY(${index * this.rowHeight}px)`;
      if (known) known.item.replaceWith(item);
      else this.list.append(item);
      this.#elements.set(index, { row, item });
    }
    const { item } = this.#elements.get(index);
    item.style.transform = `translateY(${index * this.rowHeight}px)`;
    item.setAttribute("aria-setsize", this.total);
    item.setAttribute("aria-posinset", index + 1);
    item.setAttribute("aria-selected", String(isSelected));
  }

  #fetchMissing(first, last) {
    for (let index = first; index < last; index += 1) {
      const offset = Math.floor(index / PAGE) * PAGE;
      if (this.rows[index] || this.#asked.has(offset)) continue;
      this.#fetch(offset).catch(() => this.#asked.delete(offset));
    }
  }

  #markActive() {
    const active = this.list.querySelector('[aria-selected="true"]');
    if (active) this.list.setAttribute("aria-activedescendant", active.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  #onClick(event) {
    const item = event.target.closest("[data-index]");
    const row = item && this.rows[Number(item.dataset.index)];
    if (row) this.onChoose(row);
  }
}
