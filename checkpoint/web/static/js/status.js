// What a job or a stage is, as a word with a sign: never by colour alone.

import { el } from "./dom.js";

const SIGNS = {
  running: "●",
  done: "✓",
  complete: "✓",
  copied: "⧉",
  failed: "✕",
  pending: "○",
  deleted: "−",
  expired: "◌",
};

/** Make the word for a status. */
export function status(word) {
  return el(
    "span",
    { class: `status ${word}` },
    el("span", { "aria-hidden": "true", class: "sign" }, SIGNS[word] ?? "?"),
    el("span", {}, word),
  );
}
