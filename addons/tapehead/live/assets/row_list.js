"use strict";
// ---- A list of any length whose rows are drawn where they can be seen ----

const MARGIN_ROWS = 6; // above and below what is seen, once the list was scrolled by hand

class RowList {
  /**
   * @param box the scrolled element.
   * @param options `name` prefixes ids; `height` returns that of a row; `id` names an item; `render` returns its
   *   contents; `choose` is called with the item that was chosen; `isTail` keeps the end in view while it is there.
   */
  constructor(box, { name, height, id, render, choose, isTail = false, onMove = () => {} }) {
    Object.assign(this, { box, name, height, id, render, choose, isTail, onMove, items: [], chosen: null, drawn: new Map(), isAtEnd: true, margin: 1 });
    [this.top, this.shownTop, this.tall] = [0, 0, 0]; // of what is seen of the box; asking the box would have the page laid out
    this.drawNow = () => this.draw();
    this.scrollNow = () => (box.scrollTop = this.shownTop = this.top);
    this.inner = make("div", "rows");
    this.inner.setAttribute("role", "presentation");
    box.append(this.inner);
    box.tabIndex = 0;
    box.setAttribute("role", "listbox");
    box.addEventListener("scroll", () => {
      this.top = box.scrollTop;
      if (Math.abs(this.top - this.shownTop) > 1) this.margin = MARGIN_ROWS;
      this.isAtEnd = this.end - this.top < this.height() * 1.5;
      this.drawSoon();
    });
    box.addEventListener("click", (event) => this.click(event));
    box.addEventListener("keydown", (event) => this.press(event));
    this.hold = new Hold(box, () => this.drawSoon());
    new ResizeObserver(() => {
      this.tall = box.clientHeight;
      this.drawSoon();
    }).observe(box);
  }

  /** Show other items; the one that was chosen stays chosen, and the end stays in view. */
  set(items) {
    this.items = items;
    this.drawSoon();
  }

  toEnd() {
    this.isAtEnd = true;
    this.drawSoon();
  }

  /** Give the list the height of all its rows. */
  size() {
    const tall = `${this.items.length * this.height()}px`;
    if (this.inner.style.height !== tall) this.inner.style.height = tall;
  }

  drawSoon() {
    drawSoon(this.drawNow);
  }

  /** The top of what is seen at the end. */
  get end() {
    return Math.max(0, this.items.length * this.height() - this.tall);
  }

  scrollTo(top) {
    if (Math.abs(this.top - top) < 1) return;
    this.top = top;
    drawSoon(this.scrollNow); // after the rows: the browser lays the page out for it, and that once
  }

  draw() {
    if (this.hold.isOn) return;
    const height = this.height();
    this.size();
    if (this.isTail && this.isAtEnd) this.scrollTo(this.end);
    const top = Math.min(this.top, this.end);
    const first = Math.max(0, Math.floor(top / height) - this.margin);
    const last = Math.min(this.items.length, Math.ceil((top + this.tall) / height) + this.margin);
    const drawn = new Map();
    for (let place = first; place < last; place++) {
      const item = this.items[place];
      drawn.set(this.id(item), this.place(item, place, height));
    }
    for (const [id, { row }] of this.drawn) if (!drawn.has(id)) row.remove();
    this.drawn = drawn;
    let next = this.inner.firstChild;
    for (const { row } of drawn.values()) {
      if (row === next) next = next.nextSibling;
      else this.inner.insertBefore(row, next);
    }
    const current = drawn.get(this.chosen);
    if (current) this.box.setAttribute("aria-activedescendant", current.row.id);
    else this.box.removeAttribute("aria-activedescendant");
    this.onMove();
  }

  /** The row of an item, in its place: an item keeps its element as it changes, and only what changed is written. */
  place(item, place, height) {
    const known = this.drawn.get(this.id(item));
    const shown = known || { row: make("div", "row"), attributes: {} };
    const { row, attributes } = shown;
    if (shown.item !== item || shown.version !== item.version) row.replaceChildren(...this.render(item));
    Object.assign(shown, { item, version: item.version });
    const wanted = {
      id: this.rowId(item),
      role: "option",
      "data-place": place,
      "aria-selected": this.id(item) === this.chosen,
      "aria-setsize": this.items.length,
      "aria-posinset": place + 1,
    };
    for (const [name, value] of Object.entries(wanted)) if (attributes[name] !== value) row.setAttribute(name, value);
    const [top, tall] = [`${place * height}px`, `${height}px`];
    if (row.style.top !== top) row.style.top = top;
    if (row.style.height !== tall) row.style.height = tall;
    shown.attributes = wanted;
    return shown;
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
      this.size();
      const [top, bottom] = [place * this.height(), (place + 1) * this.height()];
      if (top < this.top) {
        this.isAtEnd = false;
        this.scrollTo(top);
      } else if (bottom > this.top + this.tall) this.scrollTo(bottom - this.tall);
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
    const page = Math.max(1, Math.floor(this.tall / this.height()) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.step(steps[event.key]);
  }
}
