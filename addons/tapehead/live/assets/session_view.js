"use strict";
// ---- The chosen session: its timeline, which grows, its findings and its metrics ----

const REFRESH_MS = 200;
const MOST_REFRESH_MS = 400; // so that a finding is drawn within a second of its call

class SessionView {
  /** @param choose called with an event's index and a finding or null. */
  constructor(connection, choose) {
    Object.assign(this, { connection, choose, session: null, findings: [], model: null });
    this.figure = document.getElementById("timeline");
    this.timeline = new SessionTimeline(this.figure, (event, number) => choose(event.index, number === null ? null : this.findings[number]));
    document.getElementById("save-recording").addEventListener("click", () => this.save("recording", "jsonl"));
    document.getElementById("save-har").addEventListener("click", () => this.save("har", "har"));
    setInterval(() => this.model && !this.figure.hidden && this.timeline.elapsed && this.timeline.drawSoon(), 1000);
  }

  get path() {
    return `/sessions/${encodeURIComponent(this.session.session)}`;
  }

  save(kind, ending) {
    this.connection.save(`${this.path}/${kind}`, `session-${this.session.session.slice(0, 12)}.${ending}`).catch(() => {});
  }

  /** Show a session; null for none. */
  open(session) {
    const isOther = !session || !this.session || session.number !== this.session.number;
    this.session = session;
    document.getElementById("about").hidden = !session;
    for (const id of ["tab-findings", "tab-metrics"]) document.getElementById(id).hidden = !session;
    if (!session) return;
    if (isOther) {
      [this.findings, this.model] = [[], null];
      this.figure.hidden = true;
      this.timeline.select(null);
      this.timeline.zoom = null;
      this.showFindings();
      this.showMetrics([]);
      this.say(session.session ? "" : "The endpoint did not open this session, so it has no timeline.");
    }
    this.head();
    this.refreshSoon(0);
  }

  head() {
    const { session } = this;
    const title = session.content || session.content_id || (session.session ? "(start not seen)" : "(no session)");
    document.getElementById("content").textContent = title;
    document.getElementById("now").replaceChildren(stateMark(session.state), ...grades(session));
    const facts = [session.player || "unknown player", session.channel, session.key && `key ${session.key}`, `begun ${localTime(session.started)}`, `last call ${localTime(session.last)}`, plural(session.events, "event"), session.outcome && session.outcome !== session.state ? session.outcome : "", session.session || "no session id"];
    document.getElementById("facts").textContent = facts.filter(Boolean).join(" · ");
    for (const id of ["save-recording", "save-har"]) document.getElementById(id).hidden = !session.session;
  }

  say(text) {
    document.getElementById("no-timeline").textContent = text;
    document.getElementById("no-timeline").hidden = !text;
  }

  /** Take changes: refresh what is shown, and not more often than it takes. */
  take(session) {
    if (!this.session || session.number !== this.session.number) return;
    this.session = session;
    this.head();
    this.refreshSoon();
  }

  get pause() {
    return Math.min(Math.max(REFRESH_MS, 3 * (this.took || 0)), MOST_REFRESH_MS);
  }

  refreshSoon(pause = this.pause) {
    this.isStale = true;
    if (this.refreshes) return;
    this.refreshes = true;
    setTimeout(async () => {
      while (this.isStale && this.session?.session) {
        this.isStale = false;
        const begun = performance.now();
        await this.refresh().catch((error) => error.status !== 404 && this.say("The timeline cannot be loaded now."));
        this.took = performance.now() - begun;
        if (this.isStale) await new Promise((resolve) => setTimeout(resolve, this.pause));
      }
      this.refreshes = false;
    }, pause);
  }

  async refresh() {
    const { session } = this;
    const { timeline, findings, metrics } = await this.connection.query(`${this.path}/timeline?settle=no`);
    if (this.session?.number !== session.number) {
      this.isStale = true;
      return;
    }
    [this.model, this.findings] = [timeline, findings];
    this.figure.hidden = !timeline;
    this.say(timeline ? "" : "No timeline yet.");
    const begun = Date.parse(session.started);
    const isLive = document.body.dataset.kind === "live" && !OVER.includes(this.session.state) && this.session.state !== "silent";
    if (timeline) this.timeline.show(timeline, findings, isLive ? () => (Date.now() - begun) / 1000 : null);
    this.showFindings();
    this.showMetrics(metrics);
  }

  showFindings() {
    const panel = document.getElementById("findings-panel");
    document.querySelector("#tab-findings .count").textContent = this.findings.length;
    const ordered = this.findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.number - b.number);
    const items = ordered.map((finding) => {
      const place = finding.event ? `event ${finding.event.index}, ${finding.event.type || "no type"}` : "";
      const button = press("message", () => this.choose(finding.event?.index ?? null, finding), make("b", "", finding.rule), ` ${finding.message}`);
      const badge = finding.state === "provisional" ? [make("span", "badge", "provisional")] : [];
      return make("li", `${finding.severity} ${finding.state}`, shape(finding.severity), make("div", "", button, make("p", "sub", place, " ", ...badge)));
    });
    const isAudited = !this.session || this.session.audited;
    const isOver = this.session && OVER.includes(this.session.state);
    const notes = isAudited ? [] : [make("p", "sub", "This session is not audited, since the audit is off or could not keep up: findings are those of single calls.")];
    if (!items.length && isAudited) notes.push(make("p", "sub", isOver ? "No findings." : "No findings so far."));
    panel.replaceChildren(...notes, ...(items.length ? [make("ul", "findings", ...items)] : []));
  }

  showMetrics(metrics) {
    const rows = metrics.map(({ name, value, path, definition }) => {
      const row = make("tr", "", make("th", "", name), make("td", "", value), make("td", "path", path));
      row.firstChild.scope = "row";
      row.title = definition;
      return row;
    });
    const heads = make("tr", "", ...["metric", "so far", "Adobe's name"].map((title) => Object.assign(make("th", "", title), { scope: "col" })));
    document.getElementById("metrics-panel").replaceChildren(rows.length ? make("table", "", make("thead", "", heads), make("tbody", "", ...rows)) : make("p", "sub", "No metrics yet."));
  }
}
