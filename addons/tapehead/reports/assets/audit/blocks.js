"use strict";
// ---- The data of sessions: in the page as they are or, in a large report, packed some to a block ----

const MOST_UNPACKED = 8;

/** Return the data of a session by its number: `inside`, where that is not in the page yet, `timeline` and `bodies`. */
const dataOf = (() => {
  const plain = JSON.parse(document.getElementById("details").textContent);
  const blocks = [...document.querySelectorAll("script.block")];
  const unpacked = new Map(); // by block, the one that was used last at the end

  async function unpack(block) {
    const bytes = Uint8Array.from(atob(block.textContent), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  return async (number) => {
    const block = blocks.find((each) => Number(each.dataset.last) >= number);
    if (!block) return plain[number] || {};
    const known = unpacked.get(block) || unpack(block);
    unpacked.delete(block);
    unpacked.set(block, known);
    if (unpacked.size > MOST_UNPACKED) unpacked.delete(unpacked.keys().next().value);
    return (await known)[number] || {};
  };
})();
