// The page around the player: its buttons, its bar, and the list of what was tracked.

import { Player } from "./player.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

const player = new Player($("programme"), $("advert"), {
  server: query.get("server") ?? "http://127.0.0.1:8080",
  ping: Number(query.get("ping") ?? 10000),
  adPing: Number(query.get("adPing") ?? 1000),
  viewer: query.get("viewer") ?? "",
});
window.player = player;

$("play").onclick = () => player.press();
$("mute").onclick = () => player.toggleMute();
$("quality").onclick = () => player.switchQuality();
$("seek").onchange = () => player.seek(Number($("seek").value));
addEventListener("pagehide", () => player.leave());

const video = $("programme");
const show = () => {
  $("play").textContent = video.paused ? "Play" : "Pause";
  $("controls").disabled = player.ended;
  $("mute").textContent = video.muted ? "Unmute" : "Mute";
  $("quality").textContent = `Quality: ${player.quality.label}`;
};
for (const name of ["playing", "pause", "ended", "volumechange", "emptied"]) video.addEventListener(name, show);
video.addEventListener("timeupdate", () => {
  if (!$("seek").matches(":active")) $("seek").value = video.currentTime;
  $("clock").textContent = `${video.currentTime.toFixed(1)} / ${video.duration.toFixed(1)} s`;
});
show();

document.addEventListener("tracked", ({ detail }) => {
  const row = $("log").insertRow();
  for (const text of [detail.type, detail.playhead.toFixed(3), detail.status]) row.insertCell().textContent = text;
  row.className = detail.status === "beacon" || (detail.status >= 200 && detail.status < 300) ? "" : "bad";
  row.scrollIntoView({ block: "nearest" });
});
