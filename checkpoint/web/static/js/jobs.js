// The list of jobs, newest first.

import { get } from "./api.js";
import { say } from "./banner.js";
import { el, table, title } from "./dom.js";
import { Filters } from "./filters.js";
import { counted } from "./format.js";
import { JobRow } from "./job_row.js";
import { Reading } from "./reading.js";

const HEADS = ["Job", "Status", "Progress", "Last event"];
const HINT = "There are none yet: a pipeline's first save makes one.";

/** Capitals are as good as small letters where a name is looked for; of ASCII, as the server has it. */
const lowered = (name) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

export class JobsPage {
  title = "Jobs";
  element;
  #query;
  #filters;
  #rows = new Map();
  #table = table("Jobs, newest first", HEADS, [], { class: "jobs" });
  #count = el("p", { role: "status", class: "muted small" }, "Reading…");
  #note = el("p", { class: "note", hidden: true });
  #pages = el("nav", { class: "pages", "aria-label": "Pages of jobs" });
  #reading;

  #over = new AbortController();

  constructor(_, query) {
    this.#query = query;
    this.#filters = new Filters(query);
    this.#table.hidden = true;
    this.element = el("section", {}, title("Jobs"), this.#filters.element, this.#note,
      this.#count, this.#table, this.#pages);
    this.#reading = this.#read();
    document.addEventListener("keydown", (event) => this.#pressed(event),
      { signal: this.#over.signal });
  }

  /** Go on with other filters, or another page of jobs. */
  follow(query) {
    this.#query = query;
    this.#filters.show(query);
    this.#count.textContent = "Reading…";
    this.#reading.close();
    this.#reading = this.#read();
  }

  /** Hear which jobs have changed (null: any): they may belong on this page now. */
  hear(jobs) {
    const name = lowered(this.#query.get("name") ?? "");
    if (jobs === null || jobs.some((job) => lowered(job).includes(name))) this.#reading.again();
  }

  rest() {
    this.#reading.rest();
  }

  close() {
    this.#over.abort();
    this.#filters.close();
    this.#reading.close();
  }

  #read() {
    return new Reading(
      (signal) => get("jobs", Object.fromEntries(this.#query), signal),
      (page) => this.#show(page),
      (error) => {
        say("page", error.message);
        this.#count.textContent = "";
      },
    );
  }

  #pressed(event) {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#filters.focus();
  }

  #show({ jobs, next, note, pipelines }) {
    say("page", "");
    this.#filters.offer(pipelines);
    this.#note.textContent = note;
    this.#note.hidden = !note;
    this.#arrange(jobs);
    this.#table.hidden = !jobs.length;
    const isFiltered = ["name", "status", "pipeline", "stage"].some((name) => this.#query.get(name));
    const none = isFiltered ? "No such job." : HINT;
    const count = jobs.length ? `${counted(jobs.length, "job")}, newest first` : none;
    if (this.#count.textContent !== count) this.#count.textContent = count;
    this.#turn(next);
  }

  /** Put the rows into the jobs' order, moving as few as need be, and none under the focus. */
  #arrange(jobs) {
    const body = this.#table.tBodies[0];
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const rows = new Map();
    for (const [place, job] of jobs.entries()) {
      const known = this.#rows.get(job.job_id);
      const row = known ?? new JobRow(job);
      known?.update(job);
      rows.set(job.job_id, row);
      if (body.rows[place] !== row.element) {
        body.insertBefore(row.element, body.rows[place] ?? null);
      }
    }
    while (body.rows.length > jobs.length) body.lastElementChild.remove();
    this.#rows = rows;
    if (focused?.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
  }

  #turn(next) {
    const links = [];
    if (this.#query.get("before")) links.push(["Newest", null]);
    if (next) links.push(["Older", next]);
    const wanted = JSON.stringify([links, String(this.#query)]);
    if (this.#pages.dataset.links === wanted) return;
    this.#pages.dataset.links = wanted;
    this.#pages.replaceChildren(...links.map(([text, before]) => {
      const query = new URLSearchParams(this.#query);
      query.delete("before");
      if (before) query.set("before", before);
      return el("a", { href: `#/jobs?${query}`, class: "button" }, text);
    }));
    this.#pages.hidden = !links.length;
  }
}
