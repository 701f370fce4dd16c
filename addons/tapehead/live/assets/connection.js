"use strict";
// ---- The connection to tapehead: the token, queries, and the stream of changes ----

const API = "/tapehead/v1";
const STORED_TOKEN = "tapehead-token";
const FIRST_CALLS = 500; // that a page begins with
const FIRST_ANSWER_MS = 10_000;
const RETRIES_MS = [500, 1000, 2000, 4000];

const STATE_TEXTS = {
  waiting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  ended: "tapehead has stopped",
  denied: "no access",
};
const TROUBLES = {
  lost: "The connection to tapehead is lost; what came until then is shown. The page reconnects by itself. After a restart of tapehead, open the new link that it prints.",
  ended: "tapehead has stopped; what it saw is shown. After a restart, open the new link that it prints.",
  stale: "tapehead does not accept the token of this link: it is of an earlier start, or not the whole one. Open the link that tapehead prints after “live page:”.",
  bare: "Open the whole link that tapehead prints after “live page:”: the part after the # grants access.",
};

class Refused extends Error {}

class Connection {
  /** @param listener has `onHello(hello)`, `reload(snapshot)`, `take(changes)` and `showState(state, trouble)`. */
  constructor(listener) {
    this.listener = listener;
    this.beat = 3;
    addEventListener("hashchange", () => {
      if (!location.hash) return;
      this.takeToken();
      location.reload();
    });
  }

  /** Take the token out of the address bar at once; it is never in a URL again. */
  takeToken() {
    const token = location.hash.slice(1);
    if (!token) return;
    history.replaceState(null, "", "/");
    sessionStorage.setItem(STORED_TOKEN, token);
  }

  /** Ask the server, with the token. */
  async ask(path, signal = undefined) {
    const headers = { Authorization: `Bearer ${sessionStorage.getItem(STORED_TOKEN)}` };
    const answer = await fetch(`${API}${path}`, { headers, signal, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    if (answer.status === 401) throw new Refused();
    if (!answer.ok) throw Object.assign(new Error(`${path}: status ${answer.status}`), { status: answer.status });
    return answer;
  }

  async query(path) {
    return (await this.ask(path)).json();
  }

  /** Read until tapehead stops; reconnect where the connection is lost, as after sleep. */
  async run() {
    this.takeToken();
    let [failed, ended] = [0, false]; // attempts since the last answer, and whether tapehead announced its end before
    for (;;) {
      if (!sessionStorage.getItem(STORED_TOKEN)) return this.listener.showState("denied", TROUBLES.bare);
      try {
        ended = await this.read(() => ([failed, ended] = [0, false]));
      } catch (error) {
        if (error instanceof Refused) {
          sessionStorage.removeItem(STORED_TOKEN);
          return this.listener.showState("denied", TROUBLES.stale);
        }
        if (error instanceof TypeError && error.stack && !/fetch|network/i.test(error.message)) console.error(error);
      }
      const state = ended ? "ended" : "lost";
      this.listener.showState(state, TROUBLES[state]);
      await new Promise((resolve) => setTimeout(resolve, RETRIES_MS[Math.min(failed++, RETRIES_MS.length - 1)]));
    }
  }

  /** Load what there is, and read changes until the connection ends; return whether tapehead announced its end. */
  async read(succeed) {
    const quiet = new AbortController();
    const giveUp = () => quiet.abort();
    let alarm = setTimeout(giveUp, FIRST_ANSWER_MS);
    try {
      const answer = await this.ask(`/stream?latest=${FIRST_CALLS}`, quiet.signal);
      succeed();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines.filter(Boolean)) {
          const message = JSON.parse(line);
          if (message.kind === "hello") this.beat = message.beat;
          if (message.kind === "hello") this.listener.onHello(message);
          else if (message.kind === "end") return true;
          else if (message.kind === "snapshot") this.listener.reload(message);
          else this.listener.take(message);
        }
        clearTimeout(alarm);
        alarm = setTimeout(giveUp, this.beat * 3000);
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  /** Save an answer as a file. */
  async save(path, name) {
    const url = URL.createObjectURL(await (await this.ask(path)).blob());
    const link = make("a", "");
    Object.assign(link, { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
