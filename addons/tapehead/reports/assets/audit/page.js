"use strict";
(() => {
  const form = document.getElementById("filter");
  const list = document.getElementById("sessions");
  const nothing = document.getElementById("nothing");
  const sessions = [...list.querySelectorAll(".session")];
  const chips = [...document.querySelectorAll(".by-rule button")];

  // ---- The filter ----

  const words = (element, name) => element.dataset[name].split(" ").filter(Boolean);

  function fits(session, wanted) {
    const severities = words(session, "severities");
    return (
      (!wanted.outcome || session.dataset.outcome === wanted.outcome) &&
      (!wanted.baseline || (session.dataset.baseline || "").includes(wanted.baseline)) &&
      (!wanted.rule || words(session, "rules").includes(wanted.rule)) &&
      (!wanted.severity || (wanted.severity === "none" ? !severities.length : severities.includes(wanted.severity))) &&
      wanted.text.toLowerCase().split(/\s+/).every((word) => session.dataset.search.includes(word))
    );
  }

  let rowsWanted = JSON.stringify(["", "", ""]);

  function filterRows(session, wanted) {
    const grade = wanted.severity === "none" ? "" : wanted.severity;
    for (const row of session.querySelectorAll(".findings li")) {
      const { rule, severity, baseline } = row.dataset;
      row.hidden = Boolean(
        (wanted.rule && rule !== wanted.rule) ||
          (grade && severity !== grade) ||
          (wanted.baseline && baseline !== wanted.baseline),
      );
    }
  }

  function filter() {
    const wanted = Object.fromEntries(new FormData(form));
    const grade = wanted.severity === "none" ? "" : wanted.severity;
    const asked = JSON.stringify([wanted.rule, grade, wanted.baseline || ""]);
    let shown = 0;
    for (const session of sessions) {
      session.hidden = !fits(session, wanted);
      shown += !session.hidden;
      if (asked !== rowsWanted) filterRows(session, wanted);
    }
    rowsWanted = asked;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.rule === wanted.rule));
    document.getElementById("shown").textContent = `${shown} of ${sessions.length} shown`;
    nothing.hidden = shown > 0 || !sessions.length;
    order(wanted.order);
  }

  const counts = (session) => session.dataset.counts.split(" ").map(Number);
  const place = (a, b) => a.dataset.number - b.dataset.number;
  const orders = {
    time: (a, b) => (a.dataset.started > b.dataset.started) - (a.dataset.started < b.dataset.started) || place(a, b),
    worst: (a, b) => {
      const [ours, theirs] = [counts(a), counts(b)];
      return theirs[0] - ours[0] || theirs[1] - ours[1] || theirs[2] - ours[2] || place(a, b);
    },
    longest: (a, b) => b.dataset.seconds - a.dataset.seconds || place(a, b),
  };
  let ordered = form.elements.order.value;

  function order(name) {
    if (name === ordered) return;
    ordered = name;
    for (const session of [...sessions].sort(orders[name])) list.insertBefore(session, nothing);
  }

  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      form.elements.rule.value = form.elements.rule.value === chip.dataset.rule ? "" : chip.dataset.rule;
      filter();
    });
  }

  for (const named of document.querySelectorAll(".groups [data-text]")) {
    named.addEventListener("click", () => {
      form.elements.text.value = named.dataset.text;
      filter();
      form.scrollIntoView();
    });
  }

  // ---- An event's JSON ----

  function print(target, text, path) {
    target.replaceChildren();
    if (text === undefined) {
      target.textContent = "The page does not include this body.";
    } else if (!isJson(text)) {
      target.textContent = text || "(an empty body)";
    } else {
      const lines = linesOf(text);
      target.append(...lines);
      highlight(lines, path);
    }
  }

  // ---- An open session: its timeline, and going to an event ----

  const timelines = new Map(); // by session: { timeline, bodies }

  /** Fill in an open session, once. */
  async function fill(session) {
    if (timelines.has(session)) return;
    timelines.set(session, null);
    const { inside, timeline: model, bodies } = await dataOf(Number(session.dataset.number));
    if (inside) {
      session.insertAdjacentHTML("beforeend", `<div class="inside">${inside}</div>`);
      filterRows(session, Object.fromEntries(new FormData(form)));
    }
    if (!model) return;
    const timeline = new SessionTimeline(session.querySelector(".timeline"), (event, finding) => show(session, event, finding));
    timelines.set(session, { timeline, bodies });
    timeline.show(model, findingsOf(session));
  }

  /** The findings of a session, as its list has them. */
  function findingsOf(session) {
    return [...session.querySelectorAll(".findings li")].map((row) => {
      const button = row.querySelector("button.message");
      const event = button && { index: Number(button.dataset.event) };
      return { event, ...row.dataset, path: button && button.dataset.path, message: button && button.textContent };
    });
  }

  function show(session, event, finding) {
    const panel = session.querySelector(".event");
    const facts = [`event ${event.index}`, `at ${moment(event.at)}`];
    if (event.playhead !== undefined) facts.push(`playhead ${clock(event.playhead)}`);
    if (event.answer) facts.push(/^\d/.test(event.answer) ? `answered ${event.answer} in ${Math.round(event.elapsed_ms)} ms` : event.answer);
    panel.querySelector(".type").textContent = event.type;
    panel.querySelector(".facts-line").textContent = facts.join(" · ");
    panel.querySelector(".place").textContent = `${event.recording || session.dataset.recording}:${event.line}`;
    panel.querySelector(".shown").hidden = false;
    panel.querySelector(".hint").hidden = true;
    for (const old of session.querySelectorAll("li.current")) old.classList.remove("current");
    const row = finding === null ? null : session.querySelectorAll(".findings li")[finding];
    if (row) row.classList.add("current");
    print(panel.querySelector("pre"), timelines.get(session).bodies[event.index], row ? row.querySelector("button").dataset.path : "");
  }

  list.addEventListener("toggle", (event) => event.target.matches(".session") && event.target.open && fill(event.target), true);
  for (const open of list.querySelectorAll(".session[open]")) fill(open);

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button.message");
    if (button) timelines.get(button.closest(".session")).timeline.go(Number(button.dataset.event), Number(button.dataset.finding));
  });

  // ---- Links into the page, and printing ----

  function follow() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }
  addEventListener("hashchange", follow);
  follow();

  // Sessions in blocks that were not opened stay closed: a large report is not for paper.
  addEventListener("beforeprint", () => {
    for (const session of sessions) if (!session.hidden && session.querySelector(".inside")) session.open = true;
    for (const each of timelines.values()) if (each) each.timeline.fit();
  });

  const legend = document.querySelector(".legend-box");
  legend.append(timelineLegend());
  legend.hidden = !sessions.length;
  if (matchMedia("(max-width: 40rem)").matches) document.querySelector("details.by-rule")?.removeAttribute("open");

  filter();
})();
