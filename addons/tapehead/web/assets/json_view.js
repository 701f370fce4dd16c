"use strict";
// ---- The JSON of a body as it was sent, with other white space ----

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

function span(kind, text) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  return element;
}

/** The lines of a JSON text, each with the path of the value that begins on it. */
function linesOf(text) {
  const lines = [];
  const open = [];
  let line = null;
  const start = () => {
    line = span("line", "  ".repeat(open.length));
    line.dataset.path = open.map((level) => level.key).join(".");
    // A line that does not fit continues further in.
    line.style.paddingLeft = `${open.length * 2 + 2}ch`;
    line.style.textIndent = `-${open.length * 2 + 2}ch`;
    lines.push(line);
  };
  start();
  for (const token of text.match(TOKEN) || []) {
    const level = open[open.length - 1];
    if (token === "}" || token === "]") {
      open.pop();
      if (!level.empty) {
        start();
        line.dataset.path = "";
      }
      line.append(span("mark", token));
      continue;
    }
    if (level && level.empty) {
      level.empty = false;
      start();
    }
    if (token === "{" || token === "[") {
      if (level && level.array) level.key = level.next++;
      if (level) line.dataset.path = open.map((each) => each.key).join(".");
      line.append(span("mark", token));
      open.push({ array: token === "[", key: "", next: 0, empty: true, atKey: token === "{" });
    } else if (token === ",") {
      line.append(span("mark", token));
      level.atKey = !level.array;
      start();
    } else if (token === ":") {
      line.append(span("mark", ": "));
    } else if (level && level.atKey) {
      level.key = JSON.parse(token);
      level.atKey = false;
      line.dataset.path = open.map((each) => each.key).join(".");
      line.append(span("key", token));
    } else {
      if (level && level.array) {
        level.key = level.next++;
        line.dataset.path = open.map((each) => each.key).join(".");
      }
      line.append(span(token.startsWith('"') ? "string" : "plain", token));
    }
  }
  return lines;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Mark the line at a finding's path or, if that is missing, the nearest enclosing one; one event of several may be shown. */
function highlight(lines, path) {
  const isArray = lines[0]?.textContent.trim().startsWith("[");
  const named = isArray ? path || "" : (path || "").replace(/^\[\d+\]\.?/, "");
  if (!named) return;
  // A key may look like a place in an array.
  const wanted = [named, named.replace(/\[(\d+)\]/g, ".$1").replace(/^\./, "")];
  const around = (line) => line.dataset.path && wanted.some((each) => each === line.dataset.path || each.startsWith(`${line.dataset.path}.`));
  const nearest = lines.filter(around).sort((a, b) => b.dataset.path.length - a.dataset.path.length)[0];
  if (!nearest) return;
  nearest.classList.add("wrong");
  const box = nearest.parentElement;
  box.scrollTop = nearest.offsetTop - box.offsetTop - box.clientHeight / 2;
}
