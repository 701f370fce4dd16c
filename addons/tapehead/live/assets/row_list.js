"use strict";
// ---- A list of any length whose rows are drawn where they can be seen ----

const MARGIN_ROWS = 6;

class RowList {
  /**
   * @param box the scrolled element.
   * @param options `name` prefixes ids; `height` returns that of a row; `id` names an item; `render` returns its
   *   contents; `choose` is called with the item that was chosen; `isTail` keeps the end in view while it is there.
   */
  constructor(box, { name, height, id, render, choose, isTail = false, onMove = () => {} }) {
    Object.assign(this, { box, name, height, id, render, choose, isTail, onMove, items: [], chosen: null, drawn: new Map() });
    this.inner = make("div", "rows");
    this.inner.setAttribute("role", "presentation");
    box.append(this.inner);
    box.tabIndex = 0;
    box.setAttribute("role", "listbox");
    box.addEventListener("scroll", () => this.drawSoon());
    box.addEventListener("click", (event) => this.click(event));
    box.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.drawSoon()).observe(box);
  }

  get isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < this.height() * 1.5;
  }

  /** Show other items; the one that was chosen stays chosen, and the end stays in view. */
  set(items) {
    const follows = this.isTail && this.isAtEnd;
    this.items = items;
    this.inner.style.height = `${items.length * this.height()}px`;
    if (follows) this.toEnd();
    else this.drawSoon();
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.drawSoon();
  }

  drawSoon() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.draw();
    });
  }

  draw() {
    const height = this.height();
    this.inner.style.height = `${this.items.length * height}px`;
    const first = Math.max(0, Math.floor(this.box.scrollTop / height) - MARGIN_ROWS);
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / height) + MARGIN_ROWS);
    const rows = [];
    const drawn = new Map(); // rows whose items are as they were stay, so that a click meets what was pressed
    for (let place = first; place < last; place++) {
      const item = this.items[place];
      const known = this.drawn.get(this.id(item));
      const row = known && known.item === item && known.version === item.version ? known.row : make("div", "row", ...this.render(item));
      drawn.set(this.id(item), { row, item, version: item.version });
      row.id = this.rowId(item);
      row.style.height = `${height}px`;
      row.style.top = `${place * height}px`;
      row.dataset.place = place;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(this.id(item) === this.chosen));
      row.setAttribute("aria-setsize", this.items.length);
      row.setAttribute("aria-posinset", place + 1);
      rows.push(row);
    }
    this.drawn = drawn;
    const kept = new Set(rows);
    for (const old of [...this.inner.children]) if (!kept.has(old)) old.remove();
    for (const [place, row] of rows.entries()) if (this.inner.children[place] !== row) this.inner.insertBefore(row, this.inner.children[place] || null);
    const current = rows.find((row) => row.getAttribute("aria-selected") === "true");
    if (current) this.box.setAttribute("aria-activedescendant", current.id);
    else this.box.removeAttribute("aria-activedescendant");
    this.onMove();
  }

  rowId(item) {
    return `${this.name}-${this.id(item)}`;
  }

  click(event) {
    const row = event.target.closest(".row");
    if (row && this.items[row.dataset.place]) this.choose(this.items[row.dataset.place]);
  }

  /** Mark an item as chosen, and bring it into view. */
  mark(id, isShown = false) {
    this.chosen = id;
    const place = isShown ? this.items.findIndex((item) => this.id(item) === id) : -1;
    if (place >= 0) {
      const [top, bottom] = [place * this.height(), (place + 1) * this.height()];
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (bottom > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = bottom - this.box.clientHeight;
    }
    this.drawSoon();
  }

  /** Choose the item so many places on. */
  step(by) {
    if (!this.items.length) return;
    const now = this.items.findIndex((item) => this.id(item) === this.chosen);
    const next = now < 0 ? (by < 0 ? this.items.length - 1 : 0) : Math.min(this.items.length - 1, Math.max(0, now + by));
    this.choose(this.items[next]);
    this.mark(this.id(this.items[next]), true);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height()) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.step(steps[event.key]);
  }
}
