// A stand-in for the few commands of Cypress that the example uses: node cypress.mjs EXAMPLE RECORDING
//
// Its page is no page: a click sends the calls of a recorded session to the endpoint that the address names. Requests are
// those of Node, and like those of Cypress they fail on any status but 2xx and 3xx.

import { readFileSync } from "node:fs";
import { ok } from "node:assert";
import vm from "node:vm";

const [example, recording] = process.argv.slice(2);
const queue = [];
let subject;
let address;

const commands = {
  visit: (url) => (address = new URL(url)),
  get: () => "an element",
  click: () => play(address.searchParams.get("server")),
  async request({ url, headers, timeout }) {
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(timeout) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} of ${url}: ${text}`);
    return { status: answer.status, body: JSON.parse(text) };
  },
  its: (path) => path.split(".").reduce((value, name) => value[name], subject),
  should: (chainer, ...expected) => {
    const holds = {
      equal: (value) => subject === value,
      "have.length": (length) => subject.length === length,
      "be.greaterThan": (least) => subject > least,
    };
    ok(holds[chainer](...expected), `${JSON.stringify(subject)} should ${chainer} ${expected}`);
    return subject;
  },
};

async function play(server) {
  let sid = "";
  for (const line of readFileSync(recording, "utf8").trim().split("\n")) {
    const body = JSON.stringify(JSON.parse(line).request.body);
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${server}/api/v1/sessions${sid && `/${sid}/events`}`, { method: "POST", body, headers });
    sid ||= answer.headers.get("location").split("/").at(-1);
  }
}

// Like those of Cypress, commands run one after another once the test has queued them.
const cy = new Proxy({}, { get: (_, name) => (...words) => (queue.push([name, words]), cy) });
let tests = 0;
const it = (_title, test) => (test(), (tests += 1));

vm.runInNewContext(readFileSync(example, "utf8"), { cy, it, Cypress: { env: () => process.env } });
for (const [name, words] of queue) subject = await commands[name](...words);
ok(tests === 1);
