// A small player: a pre-roll advert, a programme in two qualities with chapters, and its tracking.
//
// What the two <video> elements do decides what is tracked; the tracking client decides how. Settings come from the
// address: server (where the endpoint is), ping and adPing (milliseconds between pings), viewer (see viewer.js).
// The films are VP9 pictures of a running clock, drawn for this page with ffmpeg; a few kB each, without sound.

import { CollectionClient } from "./collection.js";
import { readPlan } from "./viewer.js";

const TICK_MS = 40;

const PROGRAMME = {
  id: "tapehead-test-programme",
  name: "The programme",
  length: 6,
  chapters: [
    { index: 1, name: "The first half", offset: 0, length: 3 },
    { index: 2, name: "The second half", offset: 3, length: 3 },
  ],
  // Bits per second, as measured of the files.
  qualities: [
    { source: "programme-low.webm", bitrate: 11000, label: "Low" },
    { source: "programme-high.webm", bitrate: 22000, label: "High" },
  ],
};
const ADVERT = { id: "advert-1", name: "The advert", length: 1.25, source: "advert.webm" };
const PLAYER_NAME = "tapehead-test-player";

export class Player {
  // What the tracking client sent, in order: {type, status, playhead, ts}. `finished` holds it, once all is sent.
  log = [];
  ended = false;

  #video;
  #advert;
  #client;
  #intervals;
  #pings = null;
  #plan;
  #started = false;
  #startedAt = 0;
  #timeToStart = null;
  #state = "idle"; // or "play", "pauseStart", "bufferStart": the last of them that was tracked
  #chapter = null;
  #seeking = false;
  #quality = 0;
  #frames = 0; // dropped, of the sources played before this one
  #finish;

  constructor(video, advert, settings) {
    this.#video = video;
    this.#advert = advert;
    this.#intervals = { main: settings.ping, ad: settings.adPing };
    this.#plan = readPlan(settings.viewer);
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.#client = new CollectionClient({
      server: settings.server,
      playhead: () => this.playhead,
      quality: () => this.#measured(),
      heard: (event, status) => this.#heard(event, status),
    });
    video.src = PROGRAMME.qualities[0].source;
    advert.src = ADVERT.source;
    this.#listen();
  }

  get playhead() {
    return Math.round(Math.min(this.#video.currentTime, PROGRAMME.length) * 1000) / 1000;
  }

  get quality() {
    return PROGRAMME.qualities[this.#quality];
  }

  // ---- What the viewer does ----

  press() {
    if (!this.#started) this.#begin();
    else if (this.#state === "idle" || this.ended) return;
    else if (this.#video.paused) this.#video.play();
    else this.#video.pause();
  }

  toggleMute() {
    this.#video.muted = !this.#video.muted;
    this.#advert.muted = this.#video.muted;
    const params = { "media.state.name": "mute" };
    if (this.#started) this.#client.send(this.#video.muted ? "stateStart" : "stateEnd", { params });
  }

  // A seek is pauseStart where it begins and play where it ends; a chapter that it leaves is skipped.
  seek(second) {
    if (this.#state === "idle" || this.ended) return;
    this.#track("pauseStart");
    this.#seeking = true;
    if (chapterAt(second) !== this.#chapter) this.#endChapter("chapterSkip");
    this.#video.currentTime = second;
  }

  switchQuality() {
    const { currentTime, paused } = this.#video;
    this.#frames = this.#droppedFrames();
    this.#quality = (this.#quality + 1) % PROGRAMME.qualities.length;
    this.#video.src = this.quality.source;
    this.#video.currentTime = currentTime;
    this.#video.addEventListener("loadedmetadata", () => this.#client.send("bitrateChange"), { once: true });
    if (!paused) this.#video.play();
  }

  leave() {
    if (this.#started) this.#client.leave();
  }

  // ---- The programme ----

  async #begin() {
    this.#started = true;
    this.#startedAt = performance.now();
    this.#client.send("sessionStart", sessionStart());
    await this.#playAdvert();
    this.#ping(this.#intervals.main);
    setInterval(() => this.#tick(), TICK_MS);
    this.#video.play();
  }

  async #playAdvert() {
    const pod = { "media.ad.podFriendlyName": "pre-roll", "media.ad.podIndex": 0, "media.ad.podSecond": 0 };
    this.#client.send("adBreakStart", { params: pod });
    this.#client.send("adStart", adStart());
    this.#ping(this.#intervals.ad);
    this.#advert.hidden = false;
    const over = new Promise((resolve) => (this.#advert.onended = resolve));
    await this.#advert.play();
    await over;
    this.#advert.hidden = true;
    this.#client.send("adComplete");
    this.#client.send("adBreakComplete");
  }

  #listen() {
    const video = this.#video;
    video.addEventListener("playing", () => this.#playing());
    video.addEventListener("seeked", () => this.#seeked());
    video.addEventListener("waiting", () => this.#waiting());
    video.addEventListener("pause", () => video.ended || this.#track("pauseStart"));
    video.addEventListener("ended", () => this.#complete());
    video.addEventListener("error", () => this.#failed());
  }

  #playing() {
    this.#timeToStart ??= Math.round(performance.now() - this.#startedAt);
    if (!this.#seeking) this.#track("play");
  }

  #seeked() {
    if (!this.#seeking) return;
    this.#seeking = false;
    if (!this.#video.paused) this.#track("play");
  }

  // A wait counts where the network is what keeps the viewer waiting, once the programme has begun.
  #waiting() {
    const network = this.#video.networkState !== HTMLMediaElement.NETWORK_IDLE;
    if (this.#state === "play" && !this.#seeking && network) this.#track("bufferStart");
  }

  #failed() {
    this.#client.send("error", { params: { "media.errorId": this.#video.error.message, "media.errorSource": "player" } });
  }

  async #complete() {
    this.ended = true;
    clearInterval(this.#pings);
    this.#endChapter("chapterComplete");
    await this.#client.send("sessionComplete");
    this.#finish(this.log);
  }

  #track(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#client.send(state);
  }

  // What of the chapters and the viewer's plan is due by now, in the order of the programme.
  #tick() {
    while (this.#state === "play" && !this.#seeking && !this.#video.paused && !this.#video.ended) {
      if (this.#chapter === null) this.#startChapter();
      const border = borderOf(this.#chapter);
      const cue = this.#plan[0]?.at ?? Infinity;
      if (Math.min(border, cue) > this.#video.currentTime) return;
      if (cue < border) this.#plan.shift().act();
      else this.#endChapter("chapterComplete");
    }
  }

  #startChapter() {
    this.#chapter = chapterAt(this.#video.currentTime);
    this.#client.send("chapterStart", chapterStart(this.#chapter));
  }

  #endChapter(how) {
    if (this.#chapter !== null) this.#client.send(how);
    this.#chapter = null;
  }

  // ---- What is measured ----

  #ping(interval) {
    clearInterval(this.#pings);
    this.#pings = setInterval(() => this.#client.send("ping"), interval);
  }

  #measured() {
    if (this.#timeToStart === null) return {};
    return {
      "media.qoe.bitrate": this.quality.bitrate,
      "media.qoe.droppedFrames": this.#droppedFrames(),
      "media.qoe.timeToStart": this.#timeToStart,
    };
  }

  #droppedFrames() {
    return this.#frames + this.#video.getVideoPlaybackQuality().droppedVideoFrames;
  }

  #heard(event, status) {
    const { playhead, ts } = event.playerTime;
    this.log.push({ type: event.eventType, status, playhead, ts });
    document.dispatchEvent(new CustomEvent("tracked", { detail: this.log.at(-1) }));
  }
}

function chapterAt(second) {
  const begun = PROGRAMME.chapters.filter((chapter) => chapter.offset <= second);
  return begun.at(-1);
}

// Where the next chapter begins; the last one ends with the programme, not at a border.
function borderOf(chapter) {
  const end = chapter.offset + chapter.length;
  return end < PROGRAMME.length ? end : Infinity;
}

// ---- What events say of the content ----

function sessionStart() {
  const params = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "analytics.enableSSL": true,
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    appInstallationId: installationId(),
    "media.id": PROGRAMME.id,
    "media.name": PROGRAMME.name,
    "media.length": PROGRAMME.length,
    "media.contentType": "vod",
    "media.streamType": "video",
    "media.playerName": PLAYER_NAME,
    "media.channel": "tapehead-tests",
  };
  return { params, customMetadata: { page: document.title } };
}

function adStart() {
  const params = {
    "media.ad.id": ADVERT.id,
    "media.ad.name": ADVERT.name,
    "media.ad.length": ADVERT.length,
    "media.ad.podPosition": 1,
    "media.ad.playerName": PLAYER_NAME,
  };
  return { params };
}

function chapterStart(chapter) {
  const params = {
    "media.chapter.index": chapter.index,
    "media.chapter.offset": chapter.offset,
    "media.chapter.length": chapter.length,
    "media.chapter.friendlyName": chapter.name,
  };
  return { params };
}

// An id of this browser, made once and kept.
function installationId() {
  const id = localStorage.getItem("installation") ?? crypto.randomUUID();
  localStorage.setItem("installation", id);
  return id;
}
