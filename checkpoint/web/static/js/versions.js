// A slider through a job's versions: its state as it was after each of its events.

import { address, get } from "./api.js";
import { say } from "./banner.js";
import { el } from "./dom.js";
import { bytes, counted, failureOf } from "./format.js";
import { when } from "./time.js";

const CALM_MS = 80;

export class Versions {
  #job;
  #life = "";
  #last = 0;
  #open = new Set();
  #timer = 0;
  #abort = new AbortController();
  #slider = el("input", { type: "range", min: 1, max: 1, value: 1, id: "version",
    oninput: () => this.#moved() });
  #back = el("button", { type: "button", onclick: () => this.#step(-1) }, "Earlier");
  #on = el("button", { type: "button", onclick: () => this.#step(1) }, "Later");
  #what = el("output", { for: "version" });
  #state = el("div", { class: "state" });
  element = el("div", { class: "versions" },
    el("div", { class: "slider" }, el("label", { for: "version" }, "Version"),
      this.#slider, el("div", { class: "buttons" }, this.#back, this.#on)),
    this.#what, this.#state);

  constructor(job) {
    this.#job = job;
  }

  /** Take a job as it is now; who looks at the last version goes on with it. */
  update({ incarnation: life, version }) {
    const isAtEnd = !this.#last || life !== this.#life || this.#at === this.#last;
    if (life === this.#life && version === this.#last) return;
    [this.#life, this.#last] = [life, version];
    this.#slider.max = version;
    if (isAtEnd) this.#slider.value = version;
    this.#moved();
  }

  close() {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  get #at() {
    return Number(this.#slider.value);
  }

  #step(by) {
    this.#slider.value = this.#at + by;
    this.#moved();
  }

  #moved() {
    this.#back.disabled = this.#at <= 1;
    this.#on.disabled = this.#at >= this.#last;
    this.#slider.setAttribute("aria-valuetext", `${this.#at} of ${this.#last}`);
    this.close();
    this.#timer = setTimeout(() => this.#read(), CALM_MS);
  }

  async #read() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const query = { id: this.#job, life: this.#life, version: this.#at };
    try {
      const state = await get("job/state", query, signal);
      if (!signal.aborted) this.#show(state);
    } catch (error) {
      if (!signal.aborted) say("page", error.message);
    }
  }

  #show(state) {
    this.#slider.setAttribute("aria-valuetext", `${state.version} of ${this.#last}: ${state.what}`);
    this.#what.replaceChildren(`Version ${state.version} of ${this.#last}: ${state.what}`,
      state.time ? ", " : "", state.time ? when(state.time) : "");
    const failures = state.failures.map((one) => el("li", {},
      `${one.stage}: ${counted(one.failures, "failure")}, the last: ${failureOf(one.error, one.message)}`));
    const none = state.deleted ? "The job's checkpoints are deleted." : "No stage is completed.";
    this.#state.replaceChildren(
      state.owner ? el("p", {}, `Held by ${state.owner}`) : "",
      ...(failures.length ? [el("ul", { class: "failures" }, failures)] : []),
      ...(state.stages.length ? state.stages.map((one) => this.#data(one))
        : [el("p", { class: "muted" }, none)]));
  }

  #data({ stage, version, bytes: size, text, is_cut: isCut }) {
    const details = el("details", { open: this.#open.has(stage) },
      el("summary", {}, el("span", { class: "name" }, stage), " ",
        el("span", { class: "muted small" }, `version ${version} · ${bytes(size)}`)),
      el("pre", { tabindex: "0", "aria-label": `Data of ${stage}` }, text),
      isCut ? el("p", { class: "small" }, "There is more: ", this.#download(version)) : "");
    details.addEventListener("toggle", () => {
      if (details.open) this.#open.add(stage);
      else this.#open.delete(stage);
    });
    return details;
  }

  #download(version) {
    const query = { id: this.#job, life: this.#life, version };
    return el("a", { href: address("job/data", query), download: true }, "download all of it");
  }
}
