"use strict";
// ---- The list of calls: of all sessions, or of one ----

const MOST_CALLS = 5000;
const narrow = matchMedia("(max-width: 56rem)");
const OUTCOMES = {
  hit: "from the recording",
  miss: "not in the recording",
  simulated: "answered as the documented endpoint would",
  fault: "a fault that was asked for",
  forwarded: "forwarded to the endpoint",
};

const isRefused = (call) => call.error !== null || (call.status !== null && call.status >= 400);
const PREFLIGHT = "(preflight)"; // the browser sends it, not the player: it is listed, and no call
const countOf = (calls) => calls.reduce((count, { type }) => count + (type !== PREFLIGHT), 0);
const isMiss = (call) => call.answered !== null && call.answered.outcome === "miss";
const isBad = (call) => isRefused(call) || isMiss(call) || call.findings.some(({ severity }) => severity !== "info");

/** The origin of an answer in plain words, without the outcome's own name, which stands beside it. */
function originOf({ outcome, reason }) {
  const why = reason.startsWith(`${outcome}: `) ? reason.slice(outcome.length + 2) : reason;
  return [OUTCOMES[outcome] || outcome, why].filter(Boolean).join(": ");
}

class Calls {
  /** @param choose called with the call that was chosen. */
  constructor(choose) {
    this.all = []; // in order of their numbers
    this.byNumber = new Map();
    this.after = 0; // what was cleared
    this.ofSession = () => null; // gives the filter by sessions, if there is one
    this.form = document.getElementById("calls-filter");
    this.latest = document.getElementById("latest");
    this.unseen = 0;
    this.fresh = 0; // of those that are shown with the next frame
    this.showNow = () => {
      const isAway = this.fresh && !this.list.isAtEnd;
      this.show();
      if (isAway) this.showNewCount(this.unseen + this.fresh);
      this.fresh = 0;
    };
    this.list = new RowList(document.getElementById("list"), { name: "call", height: () => (narrow.matches ? 46 : 29), id: (call) => call.number, render: (call) => this.row(call), choose, isTail: true, onMove: () => this.list.isAtEnd && this.showNewCount(0) });
    this.form.addEventListener("input", () => {
      this.show();
      this.list.toEnd();
    });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.latest.addEventListener("click", () => this.list.toEnd());
    narrow.addEventListener("change", () => this.list.drawSoon());
  }

  /** Show no calls for now; `titleOf` names the session of a call, where several are shown. */
  clear(titleOf) {
    Object.assign(this, { titleOf, all: [], byNumber: new Map(), fresh: 0 });
    this.show();
    this.showNewCount(0);
  }

  /** Show calls that were asked for, and after them those that came in the meantime. */
  fill(calls) {
    const last = calls.at(-1)?.number || 0;
    this.all = [...calls, ...this.all.filter((call) => call.number > last)];
    this.byNumber = new Map(this.all.map((call) => [call.number, call]));
    this.show();
    this.list.toEnd();
    this.showNewCount(0);
  }

  /** Add calls that are new, and put changed ones in their places. */
  take(calls) {
    if (!calls.length) return;
    let fresh = 0;
    const wanted = this.wanted();
    for (const call of calls) {
      const known = this.byNumber.get(call.number);
      if (known) Object.assign(known, call, { version: (known.version || 0) + 1 });
      else if (!this.all.length || call.number > this.all.at(-1).number) {
        this.all.push(call);
        this.byNumber.set(call.number, call);
        fresh += call.type !== PREFLIGHT && this.fits(call, wanted);
      }
    }
    if (this.all.length > MOST_CALLS) for (const gone of this.all.splice(0, this.all.length - MOST_CALLS)) this.byNumber.delete(gone.number);
    this.fresh += fresh;
    drawSoon(this.showNow);
  }

  wanted() {
    return { ...Object.fromEntries(new FormData(this.form)), isShown: this.ofSession() };
  }

  fits(call, { type, show, nopings, isShown }) {
    return call.number > this.after && (!isShown || isShown(call)) && (!type || call.type === type) && (!show || (show === "miss" ? isMiss(call) : isBad(call))) && !(nopings && call.type === "ping");
  }

  show() {
    const wanted = this.wanted();
    const shown = this.all.filter((call) => this.fits(call, wanted));
    this.list.set(shown);
    const select = this.form.elements.type;
    const known = new Set([...select.options].map((option) => option.value));
    for (const type of [...new Set(this.all.map((call) => call.type))].sort()) if (!known.has(type) && known.size < 200) select.append(Object.assign(make("option", "", type.slice(0, 60)), { value: type }));
    const [some, all] = [countOf(shown), countOf(this.all)];
    const counted = some === all ? plural(some, "call") : `${grouped(some)} of ${plural(all, "call")}`;
    document.getElementById("shown").textContent = counted + (shown.length > some ? `, ${plural(shown.length - some, "preflight")}` : "");
    const ofSessions = wanted.isShown ? this.all.filter(wanted.isShown) : this.all;
    document.querySelector("#tab-events .count").textContent = grouped(countOf(ofSessions));
    const nothing = document.getElementById("nothing");
    nothing.hidden = shown.length > 0;
    nothing.textContent = this.all.length ? "No call matches the filter." : "No calls yet. Calls of players appear here as they come.";
  }

  showNewCount(number) {
    this.unseen = number;
    this.latest.hidden = !number;
    this.latest.textContent = `↓ ${plural(number, "new call")}`;
  }

  row(call) {
    const cell = (kind, text, title = "") => Object.assign(make("span", kind, text), { title });
    const time = Object.assign(make("time", "", exactTime(call.started)), { title: call.started });
    const session = this.titleOf ? [cell("of", this.titleOf(call), call.session || "no session")] : [];
    const marks = SEVERITIES.flatMap((severity) => {
      const found = call.findings.filter((finding) => finding.severity === severity);
      return found.length ? [make("span", severity, shape(severity), found.length > 1 ? ` ${found.length}` : "")] : [];
    });
    const worst = call.findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))[0];
    const findings = make("span", "found", ...marks, worst ? cell("message", worst.message, call.findings.map((finding) => `${finding.rule}: ${finding.message}`).join("\n")) : isMiss(call) ? cell("message", originOf(call.answered)) : "");
    return [time, ...session, cell("type", call.type, call.type), cell("number playhead", call.playhead === null ? "–" : clock(call.playhead), call.playhead === null ? "no playhead" : `playhead ${call.playhead} s`), this.answer(call), cell("number ms", `${Math.round(call.elapsed_ms)} ms`), findings];
  }

  answer(call) {
    const answer = make("span", "answer");
    const status = call.status === null ? (call.error === null ? "–" : "no answer") : String(call.status);
    answer.append(make("span", `status s${call.status ? String(call.status)[0] : "0"}`, status));
    if (call.answered) {
      document.body.classList.add("has-outcomes");
      const { outcome } = call.answered;
      const mark = make("span", `outcome ${outcome}`, outcome);
      mark.title = originOf(call.answered);
      answer.append(mark);
    }
    return answer;
  }
}
