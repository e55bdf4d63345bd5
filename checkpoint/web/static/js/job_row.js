// A job's row in the list of jobs. It stays the same element while the job goes on.

import { el, row } from "./dom.js";
import { failureOf } from "./format.js";
import { Progress } from "./progress.js";
import { status } from "./status.js";
import { since } from "./time.js";

/** The address of a job's page. */
export const jobAddress = (job) => `#/job/${encodeURIComponent(job)}`;

export class JobRow {
  #progress = new Progress();
  #status = el("div");
  #error = el("p", { class: "error-line" });
  #pipeline = el("span", { class: "muted small" });
  #last = el("span");
  element;

  constructor(job) {
    const name = el("a", { href: jobAddress(job.job_id), class: "name", title: job.job_id },
      job.job_id);
    const about = el("div", {}, name, this.#pipeline);
    const progress = el("div", {}, this.#progress.element, this.#error);
    this.element = row([about, this.#status, progress, this.#last]);
    this.update(job);
  }

  /** Show what the job is now. */
  update(job) {
    this.#progress.update(job);
    this.#status.replaceChildren(status(job.status));
    this.#error.textContent = failureOf(job.error, job.message);
    this.#error.hidden = !job.error;
    this.#pipeline.textContent = [job.pipeline, job.owner && `held by ${job.owner}`]
      .filter(Boolean)
      .join(" · ");
    this.#last.replaceChildren(since(job.last_event_at));
  }
}
