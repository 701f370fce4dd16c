// A viewer's hand: presses the page's own buttons at given seconds of the programme.
//
// A plan is a list such as "mute@0.5,pause@1.5,seek:2.6@2": what to press, with what value, at which second.

const PAUSE_MS = 300;

export function readPlan(plan) {
  const cues = plan.split(",").filter(Boolean).map(readCue);
  return cues.sort((one, other) => one.at - other.at);
}

function readCue(text) {
  const [action, at] = text.split("@");
  const [name, value] = action.split(":");
  return { at: Number(at), act: () => ACTIONS[name](value) };
}

const press = (id) => document.getElementById(id).click();

const ACTIONS = {
  mute: () => press("mute"),
  unmute: () => press("mute"),
  pause: () => {
    press("play");
    setTimeout(() => press("play"), PAUSE_MS);
  },
  quality: () => press("quality"),
  seek: (second) => {
    const bar = document.getElementById("seek");
    bar.value = second;
    bar.dispatchEvent(new Event("change"));
  },
};
