// A job's progress: a bar of its pipeline's stages, and in words.

import { el } from "./dom.js";
import { counted } from "./format.js";

export class Progress {
  #bar = el("progress", { max: 1, value: 0 });
  #words = el("span", { class: "words" });
  element = el("div", { class: "progress" }, this.#bar, this.#words);

  /** Move to where a job is now. */
  update(job) {
    const done = job.completed_stages.length;
    const all = done + job.remaining_stages.length;
    const isKnown = job.remaining_stages.length > 0 || job.status === "complete";
    const count = isKnown ? `${done} of ${all}` : counted(done, "stage");
    const words = job.status === "deleted" ? "no checkpoints" : count;
    this.#bar.hidden = !isKnown;
    this.#bar.max = all || 1;
    this.#bar.value = done;
    this.#bar.className = job.status;
    this.#bar.setAttribute("aria-label", `${job.job_id}: ${words} stages`);
    this.#words.textContent = job.stage ? `${words} · ${job.stage}` : words;
  }
}
