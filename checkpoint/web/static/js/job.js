// One job: what it is now, its stages, its timeline, its state at every version.

import { get } from "./api.js";
import { Actions } from "./actions.js";
import { say } from "./banner.js";
import { el, row, table, title } from "./dom.js";
import { bytes, counted, duration, failureOf } from "./format.js";
import { jobAddress } from "./job_row.js";
import { Reading } from "./reading.js";
import { status } from "./status.js";
import { since, when } from "./time.js";
import { Timeline } from "./timeline.js";
import { Versions } from "./versions.js";

export class JobPage {
  title;
  element;
  #job;
  #life;
  #facts = el("dl", { class: "facts" });
  #notes = el("div");
  #stages = el("div", { class: "scroll" });
  #events = el("div", { class: "scroll" });
  #eventCount = el("summary", {}, "Events");
  #timeline = new Timeline();
  #versions;
  #actions;
  #wait = el("p", { class: "muted" }, "Reading…");
  #body;
  #reading;

  constructor(job, query) {
    this.title = job;
    this.#job = job;
    this.#life = query.get("life") ?? "";
    this.#versions = new Versions(job);
    this.#actions = new Actions(job, () => this.#reading.again());
    this.#body = el("div", { hidden: true },
      this.#facts, this.#notes, this.#actions.element,
      el("h2", {}, "Stages"), this.#stages,
      el("h2", {}, "Timeline"), this.#timeline.element,
      el("h2", {}, "Versions"), this.#versions.element,
      el("h2", {}, "History"), el("details", {}, this.#eventCount, this.#events));
    this.element = el("section", { class: "job" },
      el("p", { class: "small" }, el("a", { href: "#/jobs" }, "← All jobs")),
      title(job), this.#wait, this.#body);
    this.#reading = new Reading(
      (signal) => get("job", { id: job, life: this.#life }, signal),
      (found) => this.#show(found),
      (error) => {
        say("page", error.message);
        this.#wait.hidden = true;
      },
    );
  }

  hear(jobs) {
    if (jobs === null || jobs.includes(this.#job)) this.#reading.again();
  }

  rest() {
    this.#reading.rest();
  }

  close() {
    this.#reading.close();
    this.#versions.close();
    this.#timeline.close();
  }

  #show(job) {
    say("page", "");
    this.#facts.replaceChildren(...facts(job));
    this.#notes.replaceChildren(...notes(job));
    this.#actions.update(job);
    this.#stages.replaceChildren(stagesTable(job.stages));
    this.#timeline.update(job.timeline);
    this.#versions.update(job);
    this.#eventCount.textContent = counted(job.events.length, "event");
    this.#events.replaceChildren(eventsTable(job));
    this.#wait.hidden = true;
    this.#body.hidden = false;
  }
}

function facts(job) {
  const isDeleted = job.status === "deleted";
  return [
    ["Status", status(job.status)],
    ["Pipeline", job.pipeline || "not named"],
    ["Version", String(job.version)],
    ["Started", since(job.started_at)],
    [isDeleted ? "Deleted" : "Last event", since(job.last_event_at)],
    isDeleted ? null : [job.status === "expired" ? "Expired" : "Expires", since(job.expires_at)],
    job.owner ? ["Held by", job.owner] : null,
    job.forked_from ? ["Forked from", source(job)] : null,
  ].filter(Boolean).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
}

function source({ forked_from: text, source_job: name }) {
  return name ? el("a", { href: jobAddress(name) }, text) : text;
}

function notes(job) {
  const found = job.note ? [el("p", { class: "note" }, job.note)] : [];
  for (const { first, last } of job.lost) {
    found.push(el("p", { class: "note bad" }, `Versions ${first} to ${last} had been acknowledged, `
      + "and Redis lost them."));
  }
  if (job.missing.length) {
    found.push(el("p", { class: "note bad" },
      `${counted(job.missing.length, "version")} on no record: ${ranges(job.missing)}. `
      + "Redis lost them before they were archived, or the archive is away."));
  }
  if (job.lives.length > 1) {
    const links = job.lives.map((one) => el("li", {},
      el("a", { href: `${jobAddress(job.job_id)}?life=${one.incarnation}`,
        "aria-current": one.incarnation === job.incarnation ? "true" : null }, when(one.started_at))));
    found.push(el("nav", { class: "lives", "aria-label": "Lives of this job" },
      el("span", { class: "muted" }, "Lives of this job, by their beginning:"),
      el("ol", {}, links)));
  }
  return found;
}

/** Write numbers in order as `1–3, 7`. */
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

function stagesTable(stages) {
  const heads = ["Stage", "Status", "Completed", "Took", "Data", "Failures"];
  return table("Stages in their order", heads, stages.map((one) => row([
    el("span", { class: "name" }, one.stage),
    status(one.status),
    one.is_completed ? since(one.time) : "",
    one.took_ms ? `${one.is_measured ? "" : "~"}${duration(one.took_ms)}` : "",
    one.bytes ? bytes(one.bytes) : "",
    one.failures ? failures(one) : "",
  ])), { class: "stages" });
}

function failures({ status: word, failures: count, error, message }) {
  const kind = word === "failed" ? "error-line" : "past error-line";
  const words = word === "failed" ? counted(count, "failure") : `failed ${counted(count, "time")} before`;
  const failure = failureOf(error, message);
  return el("div", {}, words, el("p", { class: kind, title: failure }, failure));
}

function eventsTable(job) {
  const rows = [...job.events].reverse().map((one) =>
    row([String(one.version), when(one.time), el("span", { class: "name" }, one.what), el("code", {}, one.id)]));
  const left = job.left_out ? `; ${counted(job.left_out, "earlier one")} left out` : "";
  return table(`Events, newest first${left}`, ["Version", "At", "What", "Entry id"], rows);
}
