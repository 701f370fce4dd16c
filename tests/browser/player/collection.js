// A tracking client for the Media Collection API, written from its public reference alone.
//
// It knows sessions, events and time; it knows no page and no <video>. Events wait until the session is open, and go
// out one at a time, in order. Where the endpoint says that the session is gone (404, 410), the client opens a new
// one, says again what is under way in it, and sends the refused event there.

const JSON_TYPE = { "Content-Type": "application/json" };
const GONE = new Set([404, 410]);
const MOST_REOPENINGS = 3;
const TRIES = 3;
const RETRY_MS = 500;

// What an event begins, and what it ends. A begun thing is under way until it ends or one of the same name begins.
const BEGINS = {
  play: () => "playback",
  pauseStart: () => "playback",
  bufferStart: () => "playback",
  adBreakStart: () => "break",
  adStart: () => "ad",
  chapterStart: () => "chapter",
  stateStart: (event) => `state ${event.params["media.state.name"]}`,
};
const ENDS = {
  adBreakComplete: () => "break",
  adComplete: () => "ad",
  adSkip: () => "ad",
  chapterComplete: () => "chapter",
  chapterSkip: () => "chapter",
  stateEnd: (event) => `state ${event.params["media.state.name"]}`,
};

export class CollectionClient {
  #server;
  #playhead;
  #quality;
  #heard;
  #sid = null;
  #start = null;
  #underWay = new Map();
  #queue = [];
  #sending = null;
  #lastTs = 0;
  #reopenings = 0;

  // server: where the endpoint is. playhead, quality: functions that say, at any time, the seconds into the content
  // and the qoeData. heard: called with each event that was sent, and the status of its answer (0 for none).
  constructor({ server, playhead, quality, heard }) {
    this.#server = server.replace(/\/$/, "");
    this.#playhead = playhead;
    this.#quality = quality;
    this.#heard = heard;
  }

  // Take note of an event; it is sent as soon as its turn comes. The promise holds until all noted so far are sent.
  send(eventType, more = {}) {
    this.#queue.push(this.#event(eventType, more));
    this.#sending ??= this.#drain();
    return this.#sending;
  }

  // The viewer leaves: what waits, and the sessionEnd, go out in a way that outlives the page.
  leave() {
    if (this.#sid === null) return;
    for (const event of [...this.#queue.splice(0), this.#event("sessionEnd")]) {
      const taken = navigator.sendBeacon(this.#eventsUrl(), JSON.stringify(event));
      this.#heard(event, taken ? "beacon" : 0);
    }
  }

  #event(eventType, more = {}) {
    const quality = this.#quality();
    const event = { eventType, playerTime: { playhead: this.#playhead(), ts: this.#nextTs() }, ...more };
    if (Object.keys(quality).length > 0) event.qoeData = quality;
    return event;
  }

  // Now, in milliseconds; never the same or less than before, or the order of events would be lost.
  #nextTs() {
    this.#lastTs = Math.max(Date.now(), this.#lastTs + 1);
    return this.#lastTs;
  }

  async #drain() {
    while (this.#queue.length > 0) {
      const event = this.#queue.shift();
      if (event.eventType === "sessionStart") await this.#open(event);
      else if (this.#sid !== null) await this.#deliver(event);
    }
    this.#sending = null;
  }

  async #open(event) {
    this.#start = event;
    this.#underWay.clear();
    this.#sid = null;
    for (let tries = 1; this.#sid === null && tries <= TRIES; tries += 1) {
      if (tries > 1) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      const answer = await this.#post(`${this.#server}/api/v1/sessions`, event);
      const location = answer?.status === 201 ? answer.headers.get("Location") : null;
      this.#sid = location?.match(/\/api\/.*\/sessions\/([^/]+)$/)?.[1] ?? null;
    }
  }

  async #deliver(event) {
    const answer = await this.#post(this.#eventsUrl(), event);
    if (answer?.ok) {
      this.#reopenings = 0;
      this.#remember(event);
    } else if (GONE.has(answer?.status) && this.#reopenings < MOST_REOPENINGS) {
      this.#reopenings += 1;
      await this.#reopen(event);
      if (this.#sid !== null) await this.#deliver(event);
    }
  }

  // A new session for the same content, as of just before `refused`; what is under way is said again.
  async #reopen(refused) {
    const again = [...this.#underWay.values()];
    const { playhead, ts } = refused.playerTime;
    const params = { ...this.#start.params, "media.resume": true };
    const at = (event, place) => ({ ...event, playerTime: { playhead, ts: ts - again.length - 1 + place } });
    await this.#open(at({ ...this.#start, params }, 0));
    for (const [index, event] of again.entries()) {
      if (this.#sid !== null) await this.#post(this.#eventsUrl(), at(event, index + 1));
      this.#remember(event);
    }
  }

  #remember(event) {
    const ended = ENDS[event.eventType]?.(event);
    const begun = BEGINS[event.eventType]?.(event);
    this.#underWay.delete(ended ?? begun);
    if (begun) this.#underWay.set(begun, event);
  }

  #eventsUrl() {
    return `${this.#server}/api/v1/sessions/${this.#sid}/events`;
  }

  // The answer, or null where none came; nothing here may ever disturb the playback.
  async #post(url, event) {
    const request = { method: "POST", headers: JSON_TYPE, body: JSON.stringify(event), keepalive: true };
    const answer = await fetch(url, request).catch(() => null);
    this.#heard(event, answer?.status ?? 0);
    return answer;
  }
}
