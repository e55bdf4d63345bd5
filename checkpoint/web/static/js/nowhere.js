// What is shown for an address that is none of the page's.

import { el, title } from "./dom.js";

export class NowherePage {
  title = "No such page";
  element;

  constructor(address) {
    this.element = el("section", {}, title("There is no such page"),
      el("p", {}, "Nothing is at ", el("code", {}, address), "."),
      el("p", {}, el("a", { href: "#/jobs" }, "All jobs")));
  }

  hear() {}

  close() {}
}
