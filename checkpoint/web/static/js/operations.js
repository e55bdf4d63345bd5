// Operations: lag, live workers, dead letters, restorations.

import { get, mayChange, post } from "./api.js";
import { confirmed } from "./actions.js";
import { say } from "./banner.js";
import { el, row, table, title } from "./dom.js";
import { counted, duration } from "./format.js";
import { Reading } from "./reading.js";
import { since, when } from "./time.js";

const EVERY_MS = 2000;

export class OperationsPage {
  title = "Operations";
  #parts = {
    workers: part("Workers", workers),
    lag: part("Lag", lag),
    dead_letters: part("Dead letters", (found) => this.#letters(found)),
    restorations: part("Restorations", restorations),
  };
  element = el("section", {}, title("Operations"),
    Object.values(this.#parts).map((one) => one.element));
  #reading = new Reading(
    (signal) => get("operations", {}, signal),
    (found) => this.#show(found),
    (error) => say("page", error.message),
  );
  #timer = setInterval(() => this.hear(), EVERY_MS);

  hear() {
    const isPaused = document.getElementById("pause").getAttribute("aria-pressed") === "true";
    if (document.visibilityState === "visible" && !isPaused) this.#reading.again();
  }

  close() {
    clearInterval(this.#timer);
    this.#reading.close();
  }

  #show(found) {
    say("page", "");
    for (const [name, one] of Object.entries(this.#parts)) one.show(found[name]);
  }

  #letters({ count, letters }) {
    if (!count) return el("p", { class: "muted" }, "There are none.");
    const heads = ["Entry", "Since", "Why it is no event", ...(mayChange() ? ["Change"] : [])];
    const left = count > letters.length ? `, the latest ${letters.length}` : "";
    return table(counted(count, "dead letter") + left, heads,
      letters.map((one) => row([
        el("code", {}, one.name), since(one.time),
        el("details", { "data-key": one.name }, el("summary", {}, one.reason),
          el("pre", { tabindex: "0" }, one.fields.join("\n"))),
        ...(mayChange() ? [el("button", { type: "button", class: "danger",
          "aria-label": `Discard ${one.name}`, onclick: () => this.#discard(one.name) },
        "Discard")] : []),
      ])), { class: "letters" });
  }

  async #discard(name) {
    if (!(await confirmed(`Discard the dead letter ${name}? Its bytes are gone then.`, "Discard"))) {
      return;
    }
    try {
      await post("deadletters/discard", { name });
      this.hear();
    } catch (error) {
      say("page", error.message);
    }
  }
}

/** A part of the page. It is drawn anew only where what it shows has changed. */
function part(heading, draw) {
  const body = el("div", {}, el("p", { class: "muted" }, "Reading…"));
  let drawn = "";
  return {
    element: el("section", { "aria-label": heading }, el("h2", {}, heading), body),
    show({ found, error }) {
      const wanted = JSON.stringify([found, error]);
      if (wanted === drawn) return;
      drawn = wanted;
      const open = new Set([...body.querySelectorAll("details[open]")].map((one) => one.dataset.key));
      body.replaceChildren(error ? el("p", { class: "note bad" }, error) : draw(found));
      for (const one of body.querySelectorAll("details")) one.open = open.has(one.dataset.key);
    },
  };
}

function workers(found) {
  return table("Workers with a heartbeat lately", ["Kind", "At work"],
    Object.entries(found).map(([kind, members]) => row([
      kind,
      members.length ? members.join(", ")
        : el("span", { class: "bad" }, `✕ none: start one with \`checkpoint worker ${kind}\``),
    ])));
}

function lag(found) {
  const consumers = [...new Set(found.map((one) => one.consumer))];
  const numbers = [...new Set(found.map((one) => one.partition))];
  const heads = ["Partition", ...consumers];
  const rows = numbers.map((number) => row([
    String(number),
    ...consumers.map((consumer) => behind(found.find(
      (one) => one.partition === number && one.consumer === consumer))),
  ]));
  return table("Entries not applied yet, and the age of the oldest", heads, rows, { class: "lag" });
}

function behind(one) {
  if (!one.entries) return el("span", { class: "muted" }, "✓ none");
  return el("span", {}, `${counted(one.entries, "entry", "entries")}, ${duration(one.seconds * 1000)}`);
}

function restorations(found) {
  if (!found.length) return el("p", { class: "muted" }, "There are none on record.");
  return el("div", { class: "scroll" }, table("Times that Redis was restarted or had lost entries, latest first",
    ["At", "Partition", "May be lost, unless durable: from", "To", "Jobs written back"],
    found.map((one) => row([
      when(one.time), String(one.partition), when(one.since), when(one.until), String(one.jobs),
    ]))));
}
