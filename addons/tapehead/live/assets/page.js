"use strict";
(() => {
  const STORED = "tapehead-token";
  const MOST_SESSIONS = 500;
  const PATIENCE_MS = 10_000;
  const RETRIES_MS = [500, 1000, 2000, 4000];
  const at = (id) => document.getElementById(id);
  const list = at("list");
  const scroll = at("scroll");
  const form = at("filter");
  const severities = ["error", "warning", "info"];

  const calls = new Map(); // by number, the oldest first: { call, row }
  const sessions = new Map(); // by id, the one with the latest call last: { session, row }
  let chosen = null; // the session that is shown; null for all
  let keeps = 2000;
  let beat = 3;
  let unseen = 0;

  function make(tag, kind, ...inside) {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...inside);
    return element;
  }

  function press(deed, ...inside) {
    const button = make("button", "", ...inside);
    button.type = "button";
    button.addEventListener("click", deed);
    return button;
  }

  const localTime = (at) => {
    const ahead = -new Date(at).getTimezoneOffset();
    const shifted = new Date(Date.parse(at) + ahead * 60_000).toISOString();
    const [hours, minutes] = [Math.trunc(Math.abs(ahead) / 60), Math.abs(ahead) % 60].map((part) => String(part).padStart(2, "0"));
    return `${shifted.slice(0, 23).replace("T", " ")}${ahead < 0 ? "-" : "+"}${hours}:${minutes}`;
  };
  const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

  // ---- The token: out of the address bar at once, and never in a URL again ----

  function takeToken() {
    const token = location.hash.slice(1);
    if (!token) return;
    history.replaceState(null, "", "/");
    sessionStorage.setItem(STORED, token);
  }

  // ---- The connection ----

  const TEXTS = {
    waiting: "connecting",
    live: "live",
    lost: "connection lost, trying again",
    ended: "tapehead has stopped",
    denied: "no access",
  };

  function become(state, trouble = "") {
    const shown = at("state");
    shown.dataset.state = state;
    shown.lastElementChild.textContent = TEXTS[state];
    at("trouble").textContent = trouble;
    at("trouble").hidden = !trouble;
    document.body.classList.toggle("stale", state !== "live" && state !== "waiting");
  }

  const LOST = "The connection to tapehead is lost; the calls until then are shown. The page reconnects by itself. After a restart of tapehead, open the new link that it prints.";
  const ENDED = "tapehead has stopped; its calls are shown. After a restart, open the new link that it prints.";
  const STALE = "This page's link is not valid any more, since tapehead was restarted. Open the new link that it prints after “live page:”.";
  const NO_TOKEN = "Open the whole link that tapehead prints after “live page:”: the part after the # grants access.";

  async function connect() {
    let ended = false;
    let failed = 0;
    for (;;) {
      const token = sessionStorage.getItem(STORED);
      if (!token) return become("denied", NO_TOKEN);
      try {
        ended = await read(token, () => (failed = 0));
      } catch (error) {
        if (error instanceof Refused) {
          sessionStorage.removeItem(STORED);
          return become("denied", STALE);
        }
      }
      become(ended ? "ended" : "lost", ended ? ENDED : LOST);
      await new Promise((resolve) => setTimeout(resolve, RETRIES_MS[Math.min(failed++, RETRIES_MS.length - 1)]));
    }
  }

  class Refused extends Error {}

  /** Read lines until the connection ends; return whether tapehead announced its end. */
  async function read(token, succeed) {
    const quiet = new AbortController();
    const giveUp = () => quiet.abort();
    let alarm = setTimeout(giveUp, PATIENCE_MS);
    try {
      const answer = await fetch(`/lines?after=${last()}`, {
        headers: { Authorization: `Bearer ${token}` },
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: quiet.signal,
      });
      if (answer.status === 401) throw new Refused();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      succeed();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        if (take(lines.filter(Boolean).map((line) => JSON.parse(line)))) return true;
        clearTimeout(alarm);
        alarm = setTimeout(giveUp, beat * 3000);
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  const last = () => [...calls.keys()].at(-1) || 0;

  /** Show messages; return whether one of them announced the end. */
  function take(messages) {
    const fresh = [];
    let over = false;
    for (const message of messages) {
      if (message.kind === "hello") greet(message);
      else if (message.kind === "call") fresh.push(message);
      else if (message.kind === "session") update(message);
      else if (message.kind === "totals") total(message);
      else if (message.kind === "end") over = true;
    }
    if (fresh.length) add(fresh);
    return over;
  }

  function greet(hello) {
    keeps = hello.keeps;
    beat = hello.beat;
    at("title").textContent = hello.title;
    document.title = `tapehead ${hello.title}`;
    become("live");
  }

  function total(totals) {
    for (const name of ["calls", "errors", "warnings", "infos"]) {
      at(name).textContent = totals[name].toLocaleString("en");
      at(name).parentElement.classList.toggle("none", !totals[name]);
    }
    at("session-count").textContent = totals.sessions.toLocaleString("en");
    tell("gone", totals.gone, `${plural(totals.gone, "earlier call")} no longer shown: the page keeps the last ${keeps.toLocaleString("en")}, or fewer if they are large.`);
    tell("missed", totals.missed, `${plural(totals.missed, "call")} came too fast to be shown here; the traffic was not affected.`);
    for (const number of [...calls.keys()]) {
      if (number > totals.gone && calls.size <= keeps) break;
      calls.get(number).row.remove();
      calls.delete(number);
    }
  }

  function tell(id, count, text) {
    at(id).hidden = !count;
    at(id).textContent = text;
  }

  // ---- Sessions ----

  function update(session) {
    const known = sessions.get(session.sid);
    const row = known ? known.row : sessionRow(session.sid);
    sessions.delete(session.sid);
    sessions.set(session.sid, { session, row });
    const name = session.media || "(start not seen)";
    row.querySelector(".media").textContent = name;
    row.querySelector(".media").title = name;
    row.querySelector(".sub").textContent = [session.sid.slice(0, 8), session.player].filter(Boolean).join(" · ");
    row.querySelector(".events").textContent = plural(session.events, "event");
    row.querySelector(".grades").replaceChildren(...grades(session));
    if (!known) at("sessions").children[0].after(row);
    if (sessions.size > MOST_SESSIONS) forget(sessions.keys().next().value);
  }

  function grades(session) {
    const counts = { error: session.errors, warning: session.warnings, info: session.infos };
    const pills = severities.filter((each) => counts[each]).map((each) => grade(each, counts[each]));
    if (session.refused) pills.unshift(make("span", "grade refused", `${session.refused} refused`));
    return pills.length ? pills : [make("span", "grade fine", "fine")];
  }

  function grade(severity, count) {
    const pill = make("span", `grade ${severity}`, make("i", `shape ${severity}`), String(count));
    pill.title = plural(count, severity);
    return pill;
  }

  function sessionRow(sid) {
    const counts = make("span", "counts", make("span", "events"), make("span", "grades"));
    const button = press(() => choose(chosen === sid ? null : sid), make("b", "media"), make("span", "sub"), counts);
    button.className = "session";
    button.setAttribute("aria-pressed", String(chosen === sid));
    return make("li", "", button);
  }

  function allRow() {
    const button = press(() => choose(null), make("b", "media", "All calls"), make("span", "sub", "with and without a session"));
    button.className = "session";
    button.id = "all";
    button.setAttribute("aria-pressed", "true");
    return make("li", "", button);
  }

  function forget(sid) {
    sessions.get(sid).row.remove();
    sessions.delete(sid);
    if (chosen === sid) choose(null);
  }

  function choose(sid) {
    chosen = sid;
    at("all").setAttribute("aria-pressed", String(sid === null));
    for (const [each, { row }] of sessions) row.firstElementChild.setAttribute("aria-pressed", String(each === sid));
    filter();
    toLatest();
  }

  // ---- Calls ----

  function add(fresh) {
    const follows = isAtEnd();
    const rows = document.createDocumentFragment();
    let shown = 0;
    for (const call of fresh) {
      const row = rowOf(call);
      row.hidden = !fits(call);
      shown += !row.hidden;
      calls.set(call.number, { call, row });
      rows.append(row);
    }
    list.append(rows);
    count();
    if (follows) toLatest();
    else if (shown) offer(unseen + shown);
  }

  function rowOf(call) {
    const row = make("li", `call${call.bad ? " bad" : ""}`);
    const opened = make("details");
    const line = make(
      "summary",
      "",
      make("time", "", localTime(call.at).slice(11, 23)),
      make("span", "sid", (call.sid || "–").slice(0, 8)),
      make("b", "type", call.type),
      make("span", "playhead", call.playhead === null ? "–" : call.playhead.toFixed(3)),
      make("span", `status s${call.status ? String(call.status)[0] : "0"}`, call.status ? String(call.status) : call.error ? "no answer" : "–"),
      make("span", "ms", `${Math.round(call.ms)} ms`),
    );
    line.querySelector(".type").title = call.type;
    line.querySelector("time").title = localTime(call.at);
    line.querySelector(".playhead").title = "playhead, in seconds";
    opened.append(line);
    opened.addEventListener("toggle", () => open(opened, call), { once: true });
    row.append(opened);
    if (call.note) row.append(make("p", "note", call.note));
    if (call.error) row.append(make("p", "note bad", call.error));
    if (call.findings.length) row.append(findingsOf(call, opened));
    return row;
  }

  function findingsOf(call, opened) {
    const items = call.findings.map((finding) => {
      const item = make("li", finding.severity, make("i", `shape ${finding.severity}`), press(() => mark(call, opened, finding.path), make("b", "", finding.rule), " ", make("span", "message", finding.message)));
      item.firstElementChild.title = finding.severity;
      item.firstElementChild.setAttribute("role", "img");
      item.firstElementChild.setAttribute("aria-label", finding.severity);
      return item;
    });
    if (call.left_out) items.push(make("li", "", `and ${plural(call.left_out, "more finding")}`));
    return make("ul", "findings", ...items);
  }

  /** Fill in the details of a call, once. */
  function open(details, call) {
    if (details.childElementCount > 1) return;
    details.append(make("div", "inside", part("Request", call.request), part("Response", call.response)));
    mark(call, details, call.findings.length === 1 ? call.findings[0].path : "", true);
  }

  function part(name, message) {
    if (!message) return make("section", "", make("h3", "", name), make("p", "sub", "None."));
    const body = make("pre", "body");
    printBody(body, message);
    const headers = make("details", "headers", make("summary", "", plural(message.headers.length + message.left_out, "header")));
    headers.append(make("dl", "", ...message.headers.map(([key, value]) => make("div", "", make("dt", "", key), make("dd", "", value)))));
    if (message.left_out) headers.append(make("p", "sub", `${message.left_out} of them are not shown.`));
    const section = make("section", "", make("h3", "", name), make("p", "head", message.head), headers, body);
    if (message.cut) section.append(make("p", "sub", `Of ${message.cut.toLocaleString("en")} characters, these are the first.`));
    return section;
  }

  function printBody(target, { body, cut }) {
    const isDeep = (body.match(/[[{]/g) || []).length > 2000;
    if (!body) target.replaceChildren(make("span", "mark", "(no body)"));
    else if (cut || isDeep || !isJson(body)) target.textContent = body;
    else target.append(...linesOf(body));
  }

  function mark(call, details, path, quietly = false) {
    if (!quietly) {
      open(details, call);
      details.open = true;
    }
    const lines = [...details.querySelectorAll(".inside section:first-child pre .line")];
    for (const line of lines) line.classList.remove("wrong");
    highlight(lines, path);
  }

  // ---- The filter ----

  function fits(call) {
    const { show, nopings } = Object.fromEntries(new FormData(form));
    return (chosen === null || call.sid === chosen) && (show === "all" || (show === "bad") === call.bad) && !(nopings && call.type === "ping");
  }

  function filter() {
    for (const { call, row } of calls.values()) row.hidden = !fits(call);
    count();
  }

  function count() {
    let shown = 0;
    for (const { row } of calls.values()) shown += !row.hidden;
    at("shown").textContent = shown === calls.size ? plural(shown, "call") : `${shown.toLocaleString("en")} of ${plural(calls.size, "call")}`;
    at("nothing").hidden = shown > 0;
    at("nothing").textContent = calls.size ? "No call matches the filter." : "No calls yet. Calls of players appear here as they arrive.";
  }

  // ---- The end of the list, where new calls come ----

  const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;

  function toLatest() {
    scroll.scrollTop = scroll.scrollHeight;
    offer(0);
  }

  function offer(number) {
    unseen = number;
    at("latest").hidden = !number;
    at("latest").textContent = `↓ ${plural(number, "new call")}`;
  }

  scroll.addEventListener("scroll", () => isAtEnd() && offer(0));
  at("latest").addEventListener("click", toLatest);
  form.addEventListener("input", () => {
    filter();
    toLatest();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    if (!location.hash) return;
    takeToken();
    location.reload();
  });

  at("sessions").append(allRow());
  become("waiting");
  count();
  takeToken();
  connect();
})();
