// Times on the page that say how long ago they were, and go on saying it.

import { el } from "./dom.js";
import { ago, at } from "./format.js";

const EVERY_MS = 5000;

/** Make an element that says how long ago a time was; its title is the time itself. */
export function since(time) {
  return el("time", { datetime: time, title: at(time), class: "since" }, ago(time));
}

/** Make an element that gives a time. */
export function when(time) {
  return el("time", { datetime: time }, at(time));
}

/** Keep all `since` elements up to date. */
export function keepTime() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time.since")) {
      element.textContent = ago(element.dateTime);
    }
  }, EVERY_MS);
}
