// What may be done to a job from here, if anything may: rewind it, delete it.

import { mayChange, post } from "./api.js";
import { say } from "./banner.js";
import { el } from "./dom.js";

/** Ask whether something is meant; true if it is. */
export async function confirmed(question, yes) {
  const text = el("p", { id: "question" }, question);
  const dialog = el("dialog", { "aria-labelledby": "question" }, text,
    el("div", { class: "buttons" },
      el("button", { type: "button", autofocus: true, onclick: () => dialog.close("") }, "Cancel"),
      el("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, yes)));
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  return dialog.returnValue === "yes";
}

export class Actions {
  #job;
  #done;
  #owner = null;
  #stage = el("select", { id: "rewind-to" });
  #said = el("span", { role: "status", class: "small" });
  element = el("div", { class: "actions", role: "group", "aria-label": "Change this job" },
    el("label", { for: "rewind-to" }, "Do again from"), this.#stage,
    el("button", { type: "button", onclick: () => this.#rewind() }, "Rewind"),
    el("button", { type: "button", class: "danger", onclick: () => this.#delete() }, "Delete"),
    this.#said);

  /** `done` is called after a change. */
  constructor(job, done) {
    this.#job = job;
    this.#done = done;
  }

  /** Offer what can be done to the job as it is now. */
  update({ status, stages, owner, is_last_life: isLast }) {
    this.#owner = owner;
    const isLive = isLast && ["running", "failed", "complete"].includes(status);
    const names = stages.filter((one) => one.status === "done" || one.status === "failed").map((one) => one.stage);
    this.element.hidden = !mayChange() || !isLive || !names.length;
    if (names.join("\n") === this.#stage.dataset.names) return;
    this.#stage.dataset.names = names.join("\n");
    this.#stage.replaceChildren(...names.map((name) => el("option", {}, name)));
  }

  #rewind() {
    const stage = this.#stage.value;
    const held = this.#owner ? ` ${this.#owner} holds the job: while it does, it is refused.` : "";
    return this.#change(`Rewind ${this.#job} to ${stage}? That stage and all after it are to be `
      + `done again.${held}`, "Rewind", "job/rewind", { id: this.#job, stage }, `Rewound to ${stage}.`);
  }

  #delete() {
    return this.#change(`Delete the checkpoints of ${this.#job}? Its id begins a new life.`,
      "Delete", "job/delete", { id: this.#job }, "Deleted.");
  }

  async #change(question, yes, path, body, done) {
    if (!(await confirmed(question, yes))) return;
    try {
      await post(path, body);
      this.#said.textContent = done;
      this.#done();
    } catch (error) {
      say("page", error.message);
    }
  }
}
