"use strict";
// ---- The live page: sessions, the chosen one, its calls; pausing, clearing, keys ----

const ONE = { calls: "call", "sessions-total": "session", misses: "miss", errors: " error", warnings: " warning", infos: " info" };
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [150, 250];
const ASK_AGAIN_MS = 1000; // after everything was asked for

(() => {
  const at = (id) => document.getElementById(id);
  let chosen = null; // the number of the chosen session; null for all calls
  let [isPaused, missed, totals] = [false, 0, null];
  let [isAsking, isAskedAgain] = [false, false]; // for everything that is in memory
  let waiting = []; // changes that are shown soon
  let lastFinding = -1; // of the chosen session, that was shown
  let lastCall = null; // the number of the latest call that was told, null where any may follow
  let newest = 0; // the highest number of a call that was told
  let [shownAt, pauseMs] = [-Infinity, LEAST_PAUSE_MS]; // when changes were shown, and the time until they are again

  const connection = new Connection({ onHello, reload, take, showState });
  const view = new CallView(connection);
  const calls = new Calls((call) => showCall(call.number));
  const sessions = new Sessions(choose, () => chosen === null && calls.show());
  const session = new SessionView(connection, showEvent);
  calls.ofSession = () => (chosen === null ? sessions.filterOfCalls() : null);

  // ---- What the connection tells ----

  function onHello({ title }) {
    at("title").textContent = title;
    document.title = `tapehead ${title}`;
    document.body.dataset.kind = title === "view" ? "view" : "live";
    showState("live");
  }

  function showState(state, trouble = "") {
    at("state").dataset.state = state;
    at("state").lastElementChild.textContent = state === "live" && document.body.dataset.kind === "view" ? "recordings" : STATE_TEXTS[state];
    for (const id of ["pause", "clear"]) at(id).hidden = document.body.dataset.kind === "view";
    at("trouble").textContent = trouble;
    at("trouble").hidden = !trouble;
    document.body.classList.toggle("stale", state !== "live" && state !== "waiting");
  }

  async function reload(known) {
    if (isPaused) return; // resuming asks for everything
    show();
    lastCall = known.calls?.at(-1)?.number ?? null;
    if (known.calls) newest = lastCall ?? 0;
    sessions.replace(known.sessions);
    sessions.show(true); // with the calls, in one frame
    total(known.totals);
    const current = sessions.byNumber.get(chosen);
    if (chosen !== null && !current) chosen = null;
    await showChosen(known.calls);
  }

  function take(changes) {
    // Calls come again when findings on them change.
    const fresh = changes.calls.filter((call) => call.number > newest);
    newest = fresh.at(-1)?.number ?? newest;
    if (isPaused) {
      missed += countOf(fresh);
      at("pause").textContent = `resume${missed ? ` (${grouped(missed)} new)` : ""}`;
      return;
    }
    if (totals && changes.totals.resets !== totals.resets) return location.reload();
    // A page that slept or read too slowly: calls left memory before it was told of them.
    const hasHole = fresh.length > 0 && lastCall !== null && fresh[0].number > lastCall + 1;
    if (fresh.length) lastCall = newest;
    if (hasHole) return ask();
    waiting.push(changes);
    if (waiting.length === 1) setTimeout(() => drawSoon(show), Math.max(0, shownAt + pauseMs - performance.now()));
  }

  /** Show everything that is in memory now. */
  async function ask() {
    isAskedAgain = isAsking;
    if (isAsking) return;
    isAsking = true;
    await connection.query(`/sessions?latest=1&limit=${MOST_SESSIONS}&settle=no`).then(reload).catch(() => {});
    setTimeout(() => {
      isAsking = false;
      if (isAskedAgain) ask();
    }, ASK_AGAIN_MS);
  }

  function show() {
    const [came, kinds] = [waiting, ["sessions", "calls", "findings"]];
    waiting = [];
    if (!came.length) return;
    shownAt = performance.now();
    // After the frame: the browser has three times as long for everything else, as far as a call is still seen soon.
    setTimeout(() => (pauseMs = Math.min(Math.max(LEAST_PAUSE_MS, 3 * (performance.now() - shownAt)), MOST_PAUSE_MS)));
    const [newSessions, newCalls, newFindings] = kinds.map((kind) => came.flatMap((changes) => changes[kind]));
    sessions.take(newSessions);
    total(came.at(-1).totals);
    const current = sessions.byNumber.get(chosen);
    calls.take(chosen === null ? newCalls : newCalls.filter((call) => isOf(call, current)));
    const own = newSessions.findLast((each) => each.number === chosen);
    if (own) session.take(own);
    if (current && newFindings.some((finding) => finding.session === current.session)) session.refreshSoon();
  }

  const isOf = (call, of) => of && (of.session === null ? call.session === null && call.started === of.started : call.session === of.session);

  function total(counts) {
    totals = counts;
    const shown = { calls: counts.calls, "sessions-total": counts.sessions, refused: counts.refused, misses: counts.misses, errors: counts.findings.error, warnings: counts.findings.warning, infos: counts.findings.info };
    for (const [id, count] of Object.entries(shown)) {
      const text = grouped(count);
      at(id).parentElement.classList.toggle("none", !count);
      if (at(id).textContent === text) continue;
      at(id).textContent = text;
      const name = at(id).previousElementSibling.lastChild;
      if (ONE[id]) name.data = count === 1 ? ONE[id] : id === "misses" ? id : `${ONE[id]}s`;
    }
    at("misses").parentElement.hidden = !counts.misses;
    note();
  }

  function note() {
    const notes = [];
    if (totals.gone) notes.push(`${plural(totals.gone, "earlier call")} no longer in memory.`);
    const rest = totals.sessions - sessions.byNumber.size;
    if (rest > 0 && sessions.byNumber.size >= MOST_SESSIONS) notes.push(`${plural(rest, "earlier session")} not listed; the HTTP API has them as long as they are in memory.`);
    if (totals.left_out_sessions) notes.push(`${plural(totals.left_out_sessions, "session")} left out of the audit, which could not keep up with ${plural(totals.left_out_calls, "call")}. Without a recording, those are missing in this list, too. The traffic was not affected.`);
    if (calls.after) notes.push(`What came before ${localTime(sessions.hiddenUntil)} is hidden.`);
    const key = notes.join(" ") + calls.after;
    if (at("notes").dataset.key === key) return;
    at("notes").dataset.key = key;
    at("notes").hidden = !notes.length;
    at("notes").replaceChildren(notes.join(" "), ...(calls.after ? [" ", press("plain", showHidden, "show it again")] : []));
  }

  // ---- The chosen session ----

  function choose(number) {
    [chosen, lastFinding] = [number, -1];
    document.body.classList.toggle("has-session", number !== null);
    view.clear();
    showChosen();
  }

  /** Show the calls of the chosen session, or the latest of all, which may be known. */
  async function showChosen(latest = null) {
    const current = sessions.byNumber.get(chosen) || null;
    sessions.list.mark(chosen, true);
    at("all").setAttribute("aria-pressed", String(chosen === null));
    document.body.classList.toggle("all-calls", chosen === null);
    if (!current) showTab("events");
    session.open(current);
    calls.clear(current ? null : (call) => (call.session && sessions.bySid(call.session)?.content) || (call.session || "–").slice(0, 8));
    if (!current && latest) return calls.fill(latest);
    const limit = current && current.session ? MOST_CALLS : FIRST_CALLS;
    const query = `limit=${limit}${current && current.session ? `&session=${encodeURIComponent(current.session)}` : ""}`;
    const asked = ["", `&type=${PREFLIGHT}`].map((type) => connection.query(`/events?latest=1&settle=no&${query}${type}`).catch(() => ({ events: [] })));
    const found = (await Promise.all(asked)).flatMap(({ events }) => events);
    const events = found.sort((a, b) => a.number - b.number).slice(-limit);
    if ((sessions.byNumber.get(chosen) || null)?.number === current?.number) calls.fill(current ? events.filter((call) => isOf(call, current)) : events);
  }

  function showCall(number, finding = null) {
    calls.list.mark(number, true);
    const call = calls.byNumber.get(number);
    if (chosen !== null && call && call.index !== null) {
      const place = finding ? session.findings.indexOf(finding) : null;
      session.timeline.select(call.index, place);
    }
    document.body.classList.add("has-call");
    return view.show(number, finding);
  }

  function showEvent(index, finding) {
    const call = finding?.call ?? calls.all.find((each) => each.index === index)?.number;
    if (call) showCall(call, finding);
    if (narrow.matches) at("detail").scrollIntoView({ block: "nearest" });
  }

  // ---- Tabs ----

  const tabs = ["events", "findings", "metrics"];
  function showTab(name) {
    for (const each of tabs) {
      at(`tab-${each}`).setAttribute("aria-selected", String(each === name));
      at(`tab-${each}`).tabIndex = each === name ? 0 : -1;
      at(`${each}-panel`).hidden = each !== name;
    }
    calls.list.drawSoon();
  }
  for (const name of tabs) {
    at(`tab-${name}`).addEventListener("click", () => showTab(name));
    at(`tab-${name}`).addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      const next = tabs[(tabs.indexOf(name) + by + tabs.length) % tabs.length];
      if (at(`tab-${next}`).hidden) return;
      showTab(next);
      at(`tab-${next}`).focus();
    });
  }

  // ---- Actions ----

  function pause() {
    isPaused = !isPaused;
    missed = 0;
    at("pause").setAttribute("aria-pressed", String(isPaused));
    at("pause").textContent = isPaused ? "resume" : "pause";
    if (!isPaused) ask();
  }

  function clear() {
    const latest = [...sessions.byNumber.values()].reduce((last, each) => (each.last > last ? each.last : last), new Date(0).toISOString());
    sessions.hiddenUntil = latest;
    calls.after = newest; // calls may be loading, so the list does not know
    choose(null);
    sessions.show(true);
    calls.show();
    note();
  }

  function showHidden() {
    [sessions.hiddenUntil, calls.after] = ["", 0];
    sessions.show(true);
    calls.show();
    note();
  }

  function back() {
    choose(null);
    document.body.classList.remove("has-call");
    if (narrow.matches) at("sessions").focus();
  }

  // Each with what it does, and the button that does the same, without which it does nothing.
  const KEYS = [
    ["/", "go to the filter", () => at("filter").elements.text.focus()],
    ["j", "next call", () => calls.list.step(1)],
    ["k", "previous call", () => calls.list.step(-1)],
    ["]", "next session", () => sessions.list.step(1)],
    ["[", "previous session", () => sessions.list.step(-1)],
    ["a", "all calls", back],
    ["n", "next finding of the session", nextFinding],
    ["+", "zoom in", () => chosen !== null && session.timeline.scale(2)],
    ["-", "zoom out", () => chosen !== null && session.timeline.scale(0.5)],
    ["0", "show the whole session", () => chosen !== null && session.timeline.fit()],
    ["f", "follow the session", () => chosen !== null && session.timeline.follow(!session.timeline.follows)],
    ["c", "copy the call as curl", () => document.querySelector("#detail .copy")?.click()],
    ["p", "pause or resume", pause, "pause"],
    ["x", "clear", clear, "clear"],
    ["?", "keys and legend", showKeys],
  ];
  const keyRows = make("dl", "keys");
  const usableKeys = () => KEYS.filter(([, , , button]) => !(button && at(button).hidden));

  function showKeys() {
    keyRows.replaceChildren(...usableKeys().map(([key, text]) => make("div", "", make("dt", "", make("kbd", "", key)), make("dd", "", text))));
    at("keys").showModal();
  }

  function nextFinding() {
    const { findings } = session;
    if (chosen === null || !findings.length) return;
    lastFinding = (lastFinding + 1) % findings.length;
    const finding = findings[lastFinding];
    showEvent(finding.event?.index ?? null, finding);
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches("input, select, textarea")) return void (event.key === "Escape" && event.target.blur());
    if (at("keys").open) return;
    const key = usableKeys().find(([name]) => name === event.key);
    if (!key) return;
    event.preventDefault();
    key[2]();
  });

  at("pause").addEventListener("click", pause);
  at("clear").addEventListener("click", clear);
  at("help").addEventListener("click", showKeys);
  at("all").addEventListener("click", back);
  at("back").addEventListener("click", back);
  const close = press("", () => at("keys").close(), "close");
  at("keys").append(make("h2", "", "Keys"), keyRows, make("h2", "", "Legend"), timelineLegend(true), close);

  showState("waiting");
  document.body.classList.add("all-calls");
  showTab("events");
  for (const id of ["tab-findings", "tab-metrics"]) at(id).hidden = true;
  connection.run();
})();
