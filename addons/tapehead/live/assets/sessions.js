"use strict";
// ---- The list of sessions: those with the latest calls on top ----

const MOST_SESSIONS = 2000;
const STILL_MS = 2000; // after the pointer moved

/** Icons of states, each with a shape of its own. */
const STATE_SHAPES = {
  playing: "M-4-6 6 0-4 6z",
  paused: "M-5-6h3.5v12h-3.5zM1.5-6h3.5v12h-3.5z",
  buffering: "M0-6a6 6 0 1 1-6 6h2.5a3.5 3.5 0 1 0 3.5-3.5z",
  "in an ad": "M-6-6h12v12h-12zM-3.5-3.5v7h7v-7z",
  "in an ad break": "M-6-6h12v3h-12zM-6 3h12v3h-12z",
  completed: "M-6 0-4-2-1.5.5 4-5 6-3-1.5 4.5z",
  ended: "M-5-5h10v10h-10z",
  silent: "M-6-1.5h12v3h-12z",
  starting: "M0-6a6 6 0 1 0 0 12a6 6 0 1 0 0-12zM0-3.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7z",
};
const WRONG_SHAPE = "M-6-4-4-6 0-2 4-6 6-4 2 0 6 4 4 6 0 2-4 6-6 4-2 0z";
const OVER = ["completed", "ended", "start refused", "start unanswered", "unknown session"];

function stateMark(state) {
  const icon = draw("svg", { class: "state-icon", viewBox: "-7 -7 14 14", width: 11, height: 11, "aria-hidden": "true" }, draw("path", { "fill-rule": "evenodd", d: STATE_SHAPES[state] || WRONG_SHAPE }));
  return make("span", `now${STATE_SHAPES[state] ? "" : " wrong"}`, icon, ` ${state}`);
}

/** The findings of a session: counts, or what their absence means. */
function grades({ findings, audited, state }, isShort = false) {
  const pills = SEVERITIES.filter((each) => findings[each]).map((each) => {
    const pill = make("span", `grade ${each}`, shape(each), ` ${grouped(findings[each])}`);
    pill.title = plural(findings[each], each);
    return pill;
  });
  if (!audited) pills.push(make("span", "grade none", "not audited"));
  else if (!pills.length) pills.push(make("span", `grade ${OVER.includes(state) ? "fine" : "none"}`, OVER.includes(state) || isShort ? "no findings" : "no findings so far"));
  return pills;
}

const localTime = (time) => {
  const at = new Date(time);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
};
const exactTime = (time) => `${localTime(time)}.${String(new Date(time).getMilliseconds()).padStart(3, "0")}`;

class Sessions {
  /** @param choose called with the number of the session that was chosen, @param onFilter when others are to be shown. */
  constructor(choose, onFilter) {
    this.byNumber = new Map();
    this.latest = new Map(); // the latest session of each session id
    this.showNow = () => this.show();
    this.moved = -Infinity; // when the pointer moved on the list
    this.hiddenUntil = ""; // what was cleared
    this.form = document.getElementById("filter");
    this.box = document.getElementById("sessions");
    this.list = new RowList(this.box, { name: "session", height: () => 56, id: (session) => session.number, render: (session) => this.row(session), choose: (session) => choose(session.number) });
    this.box.addEventListener("pointermove", () => (this.moved = performance.now()));
    this.form.addEventListener("input", () => {
      this.show(true);
      onFilter();
    });
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  replace(sessions) {
    this.byNumber.clear();
    this.latest.clear();
    this.take(sessions);
  }

  take(sessions) {
    for (const session of sessions) {
      if (this.byNumber.get(session.number)?.last > session.last) continue; // asked for before it changed
      this.byNumber.delete(session.number);
      this.byNumber.set(session.number, session);
      this.latest.set(session.session, session);
    }
    for (const [number, session] of this.byNumber) {
      if (this.byNumber.size <= MOST_SESSIONS) break;
      this.byNumber.delete(number);
      if (this.latest.get(session.session) === session) this.latest.delete(session.session);
    }
    if (sessions.length) drawSoon(this.showNow);
  }

  bySid(sid) {
    return this.latest.get(sid);
  }

  /** Return a function that tells whether the filter shows the session of a call; null while it shows all. */
  filterOfCalls() {
    const wanted = Object.fromEntries(new FormData(this.form));
    if (!Object.values(wanted).some((value) => value.trim())) return null;
    const words = wanted.text.toLowerCase().split(/\s+/);
    const fitting = [...this.byNumber.values()].filter((session) => this.fits(session, wanted, words));
    const shown = new Set(fitting.map((session) => session.session ?? session.started));
    return (call) => shown.has(call.session ?? call.started);
  }

  fits(session, wanted, words) {
    const { findings, refused } = session;
    const isGraded = { "": true, none: !(findings.error || findings.warning || findings.info), refused: refused > 0 };
    const text = `${session.content} ${session.content_id} ${session.player} ${session.channel} ${session.session || ""} ${session.state} ${session.key}`.toLowerCase();
    return (
      session.last > this.hiddenUntil &&
      (isGraded[wanted.severity] ?? findings[wanted.severity] > 0) &&
      (!wanted.player || session.player === wanted.player) &&
      (!wanted.type || session.state === wanted.type) &&
      words.every((word) => text.includes(word))
    );
  }


  /** Sort and filter; the order stands still while the pointer moves on the list. */
  show(isAsked = false) {
    const wanted = Object.fromEntries(new FormData(this.form));
    const words = wanted.text.toLowerCase().split(/\s+/);
    const all = [...this.byNumber.values()].filter((session) => this.fits(session, wanted, words));
    all.sort((a, b) => (a.last < b.last) - (a.last > b.last) || b.number - a.number);
    if (!isAsked && performance.now() - this.moved < STILL_MS && this.box.matches(":hover")) {
      const places = new Map(this.list.items.map((session, place) => [session.number, place]));
      all.sort((a, b) => (places.get(a.number) ?? -1) - (places.get(b.number) ?? -1));
    }
    this.list.set(all);
    this.options("player", new Set([...this.byNumber.values()].map((session) => session.player).filter(Boolean)));
    this.options("type", new Set([...this.byNumber.values()].map((session) => session.state)));
    document.getElementById("session-count").textContent = all.length === this.byNumber.size ? plural(all.length, "session") : `${grouped(all.length)} of ${plural(this.byNumber.size, "session")}`;
  }

  options(name, values) {
    const select = this.form.elements[name];
    const known = new Set([...select.options].map((option) => option.value));
    for (const value of [...values].sort()) {
      if (known.has(value) || known.size > 200) continue;
      select.append(Object.assign(make("option", "", value.slice(0, 60)), { value }));
    }
  }

  row(session) {
    const name = make("b", "content", session.content || session.content_id || (session.session ? "(start not seen)" : `(${session.state})`));
    name.title = name.textContent;
    const time = make("time", "", localTime(session.started));
    time.title = `from ${exactTime(session.started)} to ${exactTime(session.last)}`;
    const state = stateMark(session.state);
    const about = make("span", "sub", state, session.playhead === null ? "" : ` ${clock(session.playhead)}`, session.player ? ` · ${session.player}` : "");
    about.title = `${session.state}, ${plural(session.events, "event")}, ${session.player || "unknown player"}, ${session.session || "no session id"}`;
    const marks = grades(session, true);
    if (session.refused) marks.unshift(make("span", "grade refused", draw("svg", { viewBox: "-7 -7 14 14", width: 9, height: 9, "aria-hidden": "true" }, draw("path", { d: WRONG_SHAPE })), ` ${session.refused}`));
    if (session.refused) marks[0].title = plural(session.refused, "refused call");
    const key = session.key ? [Object.assign(make("span", "sub key", session.key), { title: `key ${session.key}` })] : [];
    return [make("span", "line", name, ...key, time), make("span", "line", about, make("span", "grades", ...marks))];
  }
}
