"use strict";
// ---- Elements and wording that all pages share ----

/** An element with a class and contents; texts stay texts. */
function make(tag, kind, ...inside) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...inside);
  return element;
}

/** An SVG element with its attributes and contents. */
function draw(tag, attributes, ...inside) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/** A button that calls `action`. */
function press(kind, action, ...inside) {
  const button = make("button", kind, ...inside);
  button.type = "button";
  button.addEventListener("click", action);
  return button;
}

/** A press on an element: what is pressed stays as it is until `release` is called, so that the click meets it. */
class Hold {
  constructor(element, release) {
    this.isOn = false;
    element.addEventListener("pointerdown", () => (this.isOn = true));
    for (const name of ["pointerup", "pointercancel"]) {
      addEventListener(name, () => {
        if (!this.isOn) return;
        setTimeout(() => {
          this.isOn = false;
          release();
        });
      });
    }
  }
}

/** The icon of a severity, with its name for those who cannot see it. */
function shape(severity, isNamed = true) {
  const icon = make("i", `shape ${severity}`);
  if (isNamed) {
    icon.setAttribute("role", "img");
    icon.setAttribute("aria-label", severity);
  } else {
    icon.setAttribute("aria-hidden", "true");
  }
  return icon;
}

const NUMBERS = new Intl.NumberFormat("en"); // made once, since it is slow to make
const grouped = (number) => NUMBERS.format(number);
const plural = (count, one, many = `${one}s`) => `${grouped(count)} ${count === 1 ? one : many}`;
const SEVERITIES = ["error", "warning", "info"];

/** Seconds as `0:07`, `12:30` or `1:02:03`. */
function clock(seconds) {
  if (Math.abs(seconds) >= 1e10) return `${seconds} s`;
  const whole = Math.trunc(Math.abs(seconds));
  const [hours, minutes, rest] = [Math.trunc(whole / 3600), Math.trunc(whole / 60) % 60, whole % 60];
  const two = (part) => String(part).padStart(2, "0");
  return `${seconds < 0 ? "-" : ""}${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest)}`;
}

/** A moment to the tenth of a second: `0:07.5`. */
function moment(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const whole = clock(((seconds < 0 ? -1 : 1) * (tenths - (tenths % 10))) / 10);
  return whole.endsWith("s") ? whole : `${whole}.${tenths % 10}`;
}

const FRAMELESS_MS = 250;
const awaited = new Set(); // what is done with the next frame
let [frame, frameTimer] = [null, null];

/** Do something once with the next frame, or where none is drawn, as in a hidden tab, a little later. */
function drawSoon(action) {
  awaited.add(action);
  if (frame !== null) return;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(frameTimer);
    try {
      // What one of them asks for comes with the same frame.
      for (const each of awaited) {
        awaited.delete(each);
        each();
      }
    } finally {
      frame = null;
    }
  };
  frame = requestAnimationFrame(run);
  frameTimer = setTimeout(run, FRAMELESS_MS);
}
