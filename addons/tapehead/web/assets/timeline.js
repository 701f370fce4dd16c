"use strict";
// ---- The drawing of a session's timeline: the model is that of tapehead.auditor.timeline ----

const EDGE = 14; // left and right of the first and the last second
const GAP = 6;
const LEVEL = 17; // the height of a level of flags, and the width of a flag
const FLAG = 15;
const MOST_LEVELS = 4;
const MOST_SHIFT = 75; // pixels that a flag may stand beside its event
const AXIS = 22;
const HEIGHTS = { events: 24, pings: 14, playhead: 60, bitrate: 36 };
const LANE = 20;
const LETTER = 6.2;
const TICK_WIDTH = 90;
const TICK_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];
const MOST_ZOOM = 4000; // pixels a second
const MOST_WIDTH = 8_000_000; // of a scrolled box in browsers
const GROWS_SECONDS = 60; // without events, until a session stops growing
const SHAPES = { error: "M0-7.5 7.5 0 0 7.5-7.5 0z", warning: "M0-6.5 7 6H-7z", info: "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z" };

/** The first place in a sorted array where `at` is not below `least`. */
function firstFrom(items, least) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].at < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

class SessionTimeline {
  /**
   * @param figure the element to draw in.
   * @param choose called with the event and the number of the finding (or null) that was chosen.
   */
  constructor(figure, choose) {
    this.choose = choose;
    this.zoom = null; // pixels a second; null fits all in
    this.follows = false;
    this.current = { index: null, finding: null };
    this.labels = draw("svg", { class: "lanes", width: 96, "aria-hidden": "true" });
    this.picture = draw("svg", { "aria-hidden": "true" });
    this.canvas = make("div", "canvas");
    this.canvas.append(this.picture);
    this.plot = make("div", "plot", this.canvas);
    this.plot.tabIndex = 0;
    for (const [name, value] of Object.entries({ role: "slider", "aria-label": "Timeline; arrow keys go from event to event", "aria-valuemin": 0, "aria-valuenow": 0, "aria-valuetext": "no event chosen" })) this.plot.setAttribute(name, value);
    const box = make("div", "picture");
    box.append(this.labels, this.plot);
    figure.replaceChildren(this.tools(), box);
    this.plot.addEventListener("scroll", () => this.drawSoon());
    this.plot.addEventListener("click", (event) => this.click(event));
    this.hold = new Hold(this.plot, () => this.drawSoon());
    this.plot.addEventListener("keydown", (event) => this.press(event));
    this.plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.drawSoon()).observe(this.plot);
  }

  tools() {
    const zoom = (name, title, action) => {
      const button = press("", action, name);
      button.title = title;
      button.setAttribute("aria-label", title);
      return button;
    };
    this.follower = make("input", "");
    this.follower.type = "checkbox";
    this.follower.addEventListener("change", () => this.follow(this.follower.checked));
    this.followed = make("label", "follow", this.follower, " follow");
    this.followed.hidden = true;
    return make("div", "tools", zoom("−", "Zoom out", () => this.scale(0.5)), zoom("fit", "fit: show the whole session", () => this.fit()), zoom("+", "Zoom in", () => this.scale(2)), this.followed);
  }

  /** Show a session. `elapsed` returns how long it has lasted by the clock, where it may go on. */
  show(model, findings, elapsed = null) {
    const grows = elapsed !== null && !model.is_over;
    Object.assign(this, { model, elapsed: grows ? elapsed : null });
    this.events = model.events.filter((event) => event.kind !== "ping");
    this.pings = model.events.filter((event) => event.kind === "ping");
    this.byIndex = new Map(model.events.map((event) => [event.index, event]));
    this.flags = findings.map((finding, number) => ({ finding, number, event: finding.event && this.byIndex.get(finding.event.index) })).filter((flag) => flag.event);
    this.flags.sort((a, b) => a.event.at - b.event.at || a.number - b.number);
    this.points = model.events.filter((event) => event.playhead !== undefined).map(({ at, playhead }) => ({ at, playhead }));
    this.followed.hidden = !grows;
    if (elapsed !== null && !grows) this.follow(false);
    this.plot.setAttribute("aria-valuemax", Math.max(0, model.events.length - 1));
    this.drawSoon();
  }

  // ---- Scale ----

  get seconds() {
    const known = Math.max(this.model.seconds, 1);
    if (!this.elapsed) return known;
    return Math.max(known, Math.min(this.elapsed(), this.model.seconds + GROWS_SECONDS));
  }

  fit() {
    this.zoom = null;
    this.draw();
  }

  /** Zoom by a factor around a place of the plot, the middle unless given. */
  scale(factor, place = this.plot.clientWidth / 2) {
    const at = (this.plot.scrollLeft + place - EDGE) / this.pixels;
    const fitting = (this.plot.clientWidth - 2 * EDGE) / this.seconds;
    const wanted = Math.min(this.pixels * factor, MOST_ZOOM, MOST_WIDTH / this.seconds);
    this.zoom = wanted <= fitting * 1.01 ? null : wanted;
    this.resize();
    if (!this.follows) this.plot.scrollLeft = at * this.pixels + EDGE - place;
    this.draw();
  }

  follow(follows) {
    this.follows = this.follower.checked = follows;
    this.draw();
  }

  resize() {
    const width = this.plot.clientWidth || 600;
    this.pixels = this.zoom || (width - 2 * EDGE) / this.seconds;
    this.canvas.style.width = `${Math.max(width, this.seconds * this.pixels + 2 * EDGE)}px`;
    if (this.follows && this.zoom) this.plot.scrollLeft = this.plot.scrollWidth;
    this.left = this.zoom ? this.plot.scrollLeft : 0;
    this.width = width;
  }

  x(at) {
    return Math.round((EDGE + at * this.pixels - this.left) * 10) / 10;
  }

  // ---- Drawing: what can be seen, and one mark where many would cover each other ----

  drawSoon() {
    this.drawNow ??= () => this.model && !this.hold.isOn && this.draw();
    drawSoon(this.drawNow);
  }

  draw() {
    this.resize();
    this.place();
    const titles = ["findings", "events", "pings", "playhead", ...(this.model.bitrates.length ? ["bitrate"] : []), ...this.model.lanes.map((lane) => lane.title)];
    const heights = [LEVEL * this.levels, HEIGHTS.events, HEIGHTS.pings, HEIGHTS.playhead, ...(this.model.bitrates.length ? [HEIGHTS.bitrate] : [])];
    let y = GAP;
    const rows = titles.map((title, n) => {
      const row = { title, y, height: heights[n] || LANE };
      y += row.height + GAP;
      return row;
    });
    const bottom = y - GAP;
    const named = Object.fromEntries(rows.slice(0, heights.length).map((row) => [row.title, row]));
    const lanes = rows.slice(heights.length);
    this.picture.setAttribute("width", this.width);
    this.picture.setAttribute("height", bottom + AXIS);
    const line = this.line(named.playhead, this.points.map(({ at, playhead }) => [at, playhead]), "playhead");
    const bitrate = named.bitrate && this.line(named.bitrate, this.steps(), "bitrate");
    this.picture.replaceChildren(
      ...this.axis(named.events.y, bottom),
      ...lanes.map((row) => draw("rect", { class: "lane", x: 0, y: row.y, width: this.width, height: row.height, rx: 3 })),
      ...this.drops(bottom),
      line.drawn,
      ...(bitrate ? [bitrate.drawn] : []),
      ...lanes.flatMap((row, n) => this.spans(row, this.model.lanes[n])),
      ...this.cursor(named.events.y, bottom),
      ...this.ticks(this.events, named.events, 3, 18),
      ...this.ticks(this.pings, named.pings, 3, 8),
      ...this.marks(),
      ...this.clockHand(named.events.y, bottom),
    );
    this.label(rows, bottom, [[named.playhead, line, clock], ...(bitrate ? [[named.bitrate, bitrate, (value) => `${Math.round(value).toLocaleString("en")}`]] : [])]);
  }

  label(rows, bottom, lines) {
    const width = this.width < 420 ? 76 : 96;
    this.labels.setAttribute("width", width);
    this.labels.setAttribute("height", bottom + AXIS);
    const most = Math.floor((width - 4) / LETTER);
    const values = lines.flatMap(([row, line, worded]) => line.high === null ? [] : [[row.y + 9, line.high], [row.y + row.height - 5, line.low]].map(([y, value]) => draw("text", { class: "value", x: width - 6, y }, worded(value))));
    this.labels.replaceChildren(
      ...rows.map((row) => draw("text", { x: 0, y: row.y + row.height / 2 }, row.title.length <= most ? row.title : `${row.title.slice(0, most - 1)}…`, draw("title", {}, row.title))),
      ...values,
    );
  }

  isSeen(x, width = 0) {
    return x + width >= -20 && x <= this.width + 20;
  }

  axis(top, bottom) {
    const step = TICK_STEPS.find((each) => each * this.pixels >= TICK_WIDTH) || Math.ceil(TICK_WIDTH / this.pixels / 86_400) * 86_400;
    const ticks = [];
    const first = Math.max(0, Math.ceil((this.left - EDGE - TICK_WIDTH) / this.pixels / step));
    for (let n = first; n * step <= this.seconds && this.isSeen(this.x(n * step)); n++) {
      const x = this.x(n * step);
      const label = draw("text", { class: "axis", x: Math.min(x < 18 && x > 0 ? 18 : x, Math.max(18, this.x(this.seconds) + EDGE - 18)), y: bottom + 16 }, step < 1 ? moment(n * step) : clock(n * step));
      ticks.push(draw("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom + 4 }), label);
    }
    return ticks;
  }

  spans(row, lane) {
    const drawn = [];
    const ends = {}; // by kind
    for (const [kind, start, end, name] of lane.spans) {
      const isMoment = kind === "failure" || kind === "refused";
      const grows = this.elapsed && !isMoment && end >= this.model.seconds;
      const [from, to] = [this.x(start), this.x(grows ? this.seconds : end)];
      if (!this.isSeen(from, to - from) || to - (ends[kind] ?? -Infinity) < 1) continue;
      ends[kind] = to;
      const titled = draw("title", {}, isMoment ? `${name} at ${moment(start)}` : `${`${kind} ${name}`.trim()}: ${clock(start)} to ${grows ? "now" : clock(end)}${grows ? "" : ` (${Math.round((end - start) * 10) / 10} s)`}`);
      if (isMoment) {
        const [x, y] = [from, row.y + row.height / 2];
        drawn.push(draw("g", { class: "moment" }, titled, kind === "failure" ? draw("path", { class: kind, d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }) : draw("circle", { class: kind, cx: x, cy: y, r: 4 })));
        continue;
      }
      const [x, width] = [Math.max(from, -30), Math.max(2, Math.min(to, this.width + 30) - Math.max(from, -30))];
      const inset = kind === "break" ? 0 : 3;
      const group = draw("g", {}, titled, draw("rect", { class: `${kind}${grows ? " grows" : ""}`, x, y: row.y + inset, width, height: row.height - 2 * inset, rx: 3 }));
      const letters = Math.floor((width - 8) / LETTER);
      if (name && kind !== "break" && letters >= 3) group.append(draw("text", { class: "name", x: Math.max(x, 0) + 5, y: row.y + row.height / 2 }, name.length <= letters ? name : `${name.slice(0, letters - 1)}…`));
      drawn.push(group);
    }
    return drawn;
  }

  ticks(events, row, inset, height) {
    const drawn = [];
    const from = firstFrom(events, (this.left - EDGE - 20) / this.pixels);
    let last = -Infinity;
    for (let n = from; n < events.length; n++) {
      const event = events[n];
      const x = this.x(event.at);
      if (!this.isSeen(x)) break;
      const isCurrent = event.index === this.current.index;
      if (x - last < 1.5 && !isCurrent && !event.is_refused) continue;
      last = x;
      const tick = draw(
        "g",
        { class: `tick ${event.kind}${event.is_refused ? " refused" : ""}${isCurrent ? " current" : ""}`, "data-event": event.index },
        draw("title", {}, this.title(event)),
        draw("rect", { class: "hit", x: x - 2.5, y: row.y, width: 5, height: row.height }),
        draw("rect", { x: x - 1, y: row.y + inset, width: 2, height, rx: 1 }),
      );
      if (event.is_refused) tick.append(draw("circle", { cx: x, cy: row.y + 4, r: 3 }));
      drawn.push(tick);
    }
    return drawn;
  }

  title(event) {
    const playhead = event.playhead === undefined ? "" : `, playhead ${clock(event.playhead)}`;
    return `${event.type} at ${moment(event.at)}${playhead}${event.is_refused ? `, answered ${event.answer}` : ""} (event ${event.index})`;
  }

  /** The bitrate as a line of steps. */
  steps() {
    const { bitrates } = this.model;
    return [...bitrates.flatMap(([at, kilobits], n) => (n ? [[at, bitrates[n - 1][1]], [at, kilobits]] : [[at, kilobits]])), [this.seconds, bitrates.at(-1)[1]]];
  }

  /** A line in its row, thinned to what its pixels can show; from zero, unless all values are far from it. */
  line(row, points, kind) {
    if (!points.length) return { drawn: draw("polyline", { class: kind, points: "" }), high: null };
    let [low, high] = [Infinity, -Infinity];
    for (const [, value] of points) [low, high] = [Math.min(low, value), Math.max(high, value)];
    low = low > high - low ? low : Math.min(low, 0);
    high = Math.max(high, low + 1);
    if (kind === "bitrate") low = 0;
    const placed = [];
    let [column, count] = [null, 0];
    // Those that can be seen, and one more on either side.
    const isLeft = ([at]) => this.x(at) < -20;
    const isRight = ([at]) => this.x(at) > this.width + 20;
    for (const [n, point] of points.entries()) {
      if ((isLeft(point) && n + 1 < points.length && isLeft(points[n + 1])) || (n > 0 && isRight(points[n - 1]))) continue;
      const x = this.x(point[0]);
      count = Math.round(x) === column ? count + 1 : 0;
      column = Math.round(x);
      if (count > 6 && n < points.length - 1) continue;
      placed.push(`${Math.max(-5000, Math.min(x, 20_000))},${Math.round((row.y + row.height - 2 - ((point[1] - low) / (high - low)) * (row.height - 4)) * 10) / 10}`);
    }
    return { drawn: draw("polyline", { class: kind, points: placed.join(" ") }), low, high };
  }

  /** Place the flags, those close together on levels below each other, or a little to the right. */
  place() {
    const ends = Array(MOST_LEVELS).fill(-Infinity);
    let levels = 1;
    for (const flag of this.flags) {
      const at = EDGE + flag.event.at * this.pixels;
      const free = ends.findIndex((end) => at - end >= FLAG);
      const level = free >= 0 ? free : ends.indexOf(Math.min(...ends));
      const x = Math.min(Math.max(at, ends[level] + FLAG), this.seconds * this.pixels + 2 * EDGE - FLAG / 2);
      flag.isHidden = x - at > MOST_SHIFT;
      if (flag.isHidden) continue;
      ends[level] = x;
      levels = Math.max(levels, level + 1);
      Object.assign(flag, { x, at, y: GAP + LEVEL * level + LEVEL / 2 });
    }
    this.levels = levels;
  }

  *seenFlags() {
    for (const flag of this.flags) if (!flag.isHidden && this.isSeen(flag.x - this.left)) yield flag;
  }

  drops(bottom) {
    return [...this.seenFlags()]
      .filter(({ finding }) => finding.severity !== "info")
      .map(({ finding, at, y }) => draw("line", { class: `drop ${finding.severity}`, x1: at - this.left, x2: at - this.left, y1: y + 7, y2: bottom }));
  }

  marks() {
    return [...this.seenFlags()].map(({ finding, number, event, x, y }) => {
      const isCurrent = number === this.current.finding;
      const state = finding.state === "provisional" ? " provisional" : "";
      return draw(
        "g",
        { class: `flag ${finding.severity}${state}${isCurrent ? " current" : ""}`, transform: `translate(${x - this.left} ${y})`, "data-event": event.index, "data-finding": number },
        draw("title", {}, `${finding.severity} ${finding.rule}: ${finding.message}${state ? " (provisional)" : ""}`),
        draw("path", { d: SHAPES[finding.severity] }),
      );
    });
  }

  cursor(top, bottom) {
    const event = this.byIndex.get(this.current.index);
    return event ? [draw("line", { class: "cursor", x1: this.x(event.at), x2: this.x(event.at), y1: top, y2: bottom })] : [];
  }

  clockHand(top, bottom) {
    if (!this.elapsed) return [];
    const x = this.x(this.seconds);
    return [draw("line", { class: "now", x1: x, x2: x, y1: top, y2: bottom })];
  }

  // ---- Choosing an event ----

  click(event) {
    const target = event.target.closest("[data-event]");
    if (target) this.go(Number(target.dataset.event), "finding" in target.dataset ? Number(target.dataset.finding) : null);
  }

  /** Choose an event, and tell who listens. */
  go(index, finding = null) {
    const event = this.byIndex.get(index);
    if (!event) return;
    this.select(index, finding);
    this.choose(event, finding);
  }

  /** Mark an event as chosen, and show where it is. */
  select(index, finding = null) {
    this.current = { index, finding };
    const event = this.model && this.byIndex.get(index);
    if (event) {
      this.plot.setAttribute("aria-valuenow", this.model.events.indexOf(event));
      this.plot.setAttribute("aria-valuetext", this.title(event));
      const x = EDGE + event.at * this.pixels;
      const isOutside = x < this.plot.scrollLeft + 40 || x > this.plot.scrollLeft + this.plot.clientWidth - 40;
      if (this.zoom && isOutside) {
        this.follow(false);
        this.plot.scrollLeft = x - this.plot.clientWidth / 2;
      }
    }
    if (this.model) this.draw();
  }

  press(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    const actions = { "+": () => this.scale(2), "=": () => this.scale(2), "-": () => this.scale(0.5), 0: () => this.fit() };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in steps || event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key in actions) return actions[event.key]();
    const { events } = this.model;
    const now = events.findIndex((each) => each.index === this.current.index);
    this.go(events[Math.min(events.length - 1, Math.max(0, now + steps[event.key]))].index);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.scale(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - this.plot.getBoundingClientRect().left);
  }
}

/** The legend of timelines; `withStates` adds what only a running session has. */
function timelineLegend(withStates = false) {
  const box = (...inside) => draw("svg", { viewBox: "-11 -8 22 16", width: 22, height: 16, "aria-hidden": "true" }, ...inside);
  const bar = (kind) => box(draw("rect", { class: kind, x: -10, y: -6, width: 20, height: 12, rx: 3 }));
  const tick = (kind, ...more) => box(draw("g", { class: `tick ${kind}` }, draw("rect", { x: -1, y: kind === "ping" ? -4 : -8, width: 2, height: kind === "ping" ? 8 : 16 }), ...more));
  const flag = (kind) => box(draw("g", { class: `flag ${kind}` }, draw("path", { d: SHAPES[kind.split(" ")[0]] })));
  const items = [
    ...SEVERITIES.map((severity) => [flag(severity), severity]),
    ...(withStates ? [[flag("warning provisional"), "provisional: later events may still explain it"]] : []),
    [tick("life"), "event"],
    [tick("ping"), "ping"],
    [box(draw("polyline", { class: "playhead", points: "-10,6 0,0 4,0 10,-6" })), "playhead against the clock"],
    [box(draw("polyline", { class: "bitrate", points: "-10,4 -2,4 -2,-4 10,-4" })), "bitrate in kbit/s"],
    [bar("content"), "content"],
    [box(draw("rect", { class: "break", x: -10, y: -7, width: 20, height: 14, rx: 3 }), draw("rect", { class: "ad", x: -6, y: -4, width: 12, height: 8, rx: 2 })), "ad in its break"],
    [bar("chapter"), "chapter"],
    [bar("pause"), "pause"],
    [bar("buffer"), "buffer"],
    [bar("state"), "player state"],
    [box(draw("path", { class: "failure", d: "M-4-4l8 8m0-8l-8 8" })), "player error"],
    [box(draw("circle", { class: "refused", cx: 0, cy: 0, r: 4 })), "refused or not answered event"],
  ];
  return make("ul", "legend", ...items.map(([icon, text]) => make("li", "", icon, ` ${text}`)));
}
