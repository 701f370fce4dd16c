"use strict";
(() => {
  const bodies = JSON.parse(document.getElementById("bodies").textContent);
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

  function filter() {
    const wanted = Object.fromEntries(new FormData(form));
    const grade = wanted.severity === "none" ? "" : wanted.severity;
    const asked = JSON.stringify([wanted.rule, grade, wanted.baseline || ""]);
    let shown = 0;
    for (const session of sessions) {
      session.hidden = !fits(session, wanted);
      shown += !session.hidden;
      if (asked === rowsWanted) continue;
      for (const row of session.querySelectorAll(".findings li")) {
        const { rule, severity, baseline } = row.dataset;
        row.hidden = Boolean(
          (wanted.rule && rule !== wanted.rule) ||
            (grade && severity !== grade) ||
            (wanted.baseline && baseline !== wanted.baseline),
        );
      }
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

  // ---- Going to an event ----

  function show(session, index, { path = "", finding = null } = {}) {
    const tick = session.querySelector(`.tick[data-event="${CSS.escape(index)}"]`);
    if (!tick) return;
    const panel = session.querySelector(".event");
    const { type, at, playhead, answer, took, recording, line } = tick.dataset;
    const facts = [`event ${index}`, `at ${at}`];
    if (playhead) facts.push(`playhead ${playhead}`);
    if (answer) facts.push(/^\d/.test(answer) ? `answered ${answer} in ${took} ms` : answer);
    panel.querySelector(".type").textContent = type;
    panel.querySelector(".facts-line").textContent = facts.join(" · ");
    panel.querySelector(".place").textContent = `${recording || session.dataset.recording}:${line}`;
    panel.querySelector(".shown").hidden = false;
    panel.querySelector(".hint").hidden = true;
    print(panel.querySelector("pre"), (bodies[session.dataset.number] || {})[index], path);
    select(session, tick, finding);
  }

  function select(session, tick, finding) {
    for (const old of session.querySelectorAll(".current")) old.classList.remove("current");
    tick.classList.add("current");
    if (finding !== null) {
      for (const same of session.querySelectorAll(`[data-finding="${CSS.escape(finding)}"]`)) {
        (same.closest("li") || same).classList.add("current");
      }
    }
    const cursor = session.querySelector(".cursor");
    cursor.setAttribute("x1", tick.dataset.x);
    cursor.setAttribute("x2", tick.dataset.x);
    cursor.setAttribute("visibility", "visible");
    reveal(session.querySelector(".plot"), Number(tick.dataset.x));
  }

  function reveal(plot, x) {
    const [left, right] = [plot.scrollLeft + 40, plot.scrollLeft + plot.clientWidth - 40];
    if (x < left || x > right) plot.scrollLeft = x - plot.clientWidth / 2;
  }

  list.addEventListener("click", (event) => {
    const target = event.target.closest("[data-event]");
    if (!target) return;
    const { event: index, path, finding } = target.dataset;
    show(target.closest(".session"), index, { path, finding: finding ?? null });
  });

  list.addEventListener("keydown", (event) => {
    const plot = event.target.closest(".plot");
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!plot || !(event.key in steps)) return;
    event.preventDefault();
    const ticks = [...plot.querySelectorAll(".tick")];
    const now = ticks.findIndex((tick) => tick.classList.contains("current"));
    const next = Math.min(ticks.length - 1, Math.max(0, now + steps[event.key]));
    show(plot.closest(".session"), ticks[next].dataset.event);
  });

  // ---- Links into the page, and printing ----

  function follow() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }
  addEventListener("hashchange", follow);
  follow();

  addEventListener("beforeprint", () => {
    for (const session of sessions) {
      if (session.hidden) continue;
      session.open = true;
      const figure = session.querySelector(".timeline");
      if (figure) figure.style.zoom = Math.min(1, 680 / (Number(figure.querySelector(".plot").dataset.width) + 96));
    }
  });
  addEventListener("afterprint", () => {
    for (const figure of document.querySelectorAll(".timeline")) figure.style.zoom = "";
  });

  filter();
})();
