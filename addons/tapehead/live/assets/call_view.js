"use strict";
// ---- A call: its findings with their reasons and fixes, its request and its response ----

const NOT_COPIED = ["host", "content-length", "connection", "accept-encoding", "transfer-encoding"];

/** The command that sends a request again. */
function curlOf({ method, url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const parts = [`curl -X ${quoted(method)} ${quoted(url)}`];
  for (const [name, value] of headers) if (!NOT_COPIED.includes(name.toLowerCase())) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body) parts.push(`--data-raw ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

class CallView {
  constructor(connection) {
    this.connection = connection;
    this.box = document.getElementById("detail");
    this.rules = null;
    this.shown = null; // the number of the call
  }

  clear() {
    this.shown = null;
    this.box.replaceChildren(make("p", "sub hint", "Choose an event or a finding to see its request and response."));
  }

  /** Show a call, with the place of a finding marked; the only one's, unless one is named. */
  async show(number, wanted = null) {
    this.shown = number;
    let call;
    try {
      [call] = await Promise.all([this.connection.query(`/events/${number}?bodies=text&settle=no`), this.loadRules()]);
    } catch (error) {
      if (this.shown === number) this.box.replaceChildren(make("p", "sub", error.status === 404 ? "This call is no longer in memory." : "The call cannot be loaded now."));
      return;
    }
    if (this.shown !== number) return;
    const facts = [exactTime(call.started), call.playhead === null ? "" : `playhead ${clock(call.playhead)}`, call.index === null ? "" : `event ${call.index}`, `${Math.round(call.elapsed_ms)} ms`];
    const request = this.message("Request", call.request, `${call.request.method} ${call.request.url}`);
    const response = call.response ? this.message("Response", call.response, `${call.response.status} ${call.response.reason || ""}`) : make("section", "", make("h3", "", "Response"), make("p", "bad", call.error || "none"));
    const copy = press("copy", () => this.copy(call, copy), "copy as curl");
    this.box.replaceChildren(
      make("div", "headline", make("h3", "type", call.type), copy),
      make("p", "sub", facts.filter(Boolean).join(" · ")),
      ...(call.answered ? [this.answered(call.answered)] : []),
      ...(call.findings.length ? [make("ul", "findings", ...call.findings.map((finding) => this.finding(finding, request)))] : []),
      request,
      response,
    );
    const chosen = call.findings.find((finding) => wanted && finding.rule === wanted.rule && finding.path === wanted.path) || (call.findings.length === 1 ? call.findings[0] : null);
    if (chosen) this.mark(request, chosen.path);
    this.box.scrollTop = 0;
  }

  async loadRules() {
    if (!this.rules) this.rules = await (await fetch("/rules.json", { cache: "no-store" })).json();
  }

  answered(answered) {
    return make("p", `answered ${answered.outcome}`, make("b", "", answered.outcome), ` ${originOf(answered)}`);
  }

  finding(finding, request) {
    const rule = this.rules[finding.rule] || {};
    const mark = press("message", () => this.mark(request, finding.path), make("b", "", finding.rule), ` ${finding.message}`);
    const about = make("dl", "", ...[["Why it matters", rule.why], ["How to fix it", rule.fix]].flatMap(([title, text]) => (text ? [make("dt", "", title), make("dd", "", text)] : [])));
    return make("li", finding.severity, shape(finding.severity), make("div", "", mark, about));
  }

  message(name, message, head) {
    const body = make("pre", "body");
    body.tabIndex = 0;
    body.setAttribute("aria-label", `Body of the ${name.toLowerCase()}`);
    const text = message.body ?? "";
    const isDeep = (text.match(/[[{]/g) || []).length > 2000;
    if (!text) body.append(make("span", "mark", message.left_out ? `(a body of ${message.left_out.toLocaleString("en")} bytes, which is too large to be shown)` : "(no body)"));
    else if (message.left_out || isDeep || !isJson(text)) body.textContent = text;
    else body.append(...linesOf(text));
    const rows = message.headers.map(([key, value]) => make("div", "", make("dt", "", key), make("dd", "", value)));
    const section = make("section", "", make("h3", "", name), make("p", "head", head), make("details", "headers", make("summary", "", plural(rows.length, "header")), make("dl", "", ...rows)), body);
    if (text && message.left_out) section.append(make("p", "sub", `${message.left_out.toLocaleString("en")} more characters are not shown.`));
    return section;
  }

  mark(request, path) {
    const lines = [...request.querySelectorAll("pre .line")];
    for (const line of lines) line.classList.remove("wrong");
    highlight(lines, path);
  }

  async copy({ request }, button) {
    try {
      await navigator.clipboard.writeText(curlOf(request));
      button.textContent = "copied";
    } catch {
      button.textContent = "the browser allows no copying";
    }
    setTimeout(() => (button.textContent = "copy as curl"), 1500);
  }
}
