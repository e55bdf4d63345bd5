// The filters of the list of jobs. They live in the page's address, so that it can be kept.

import { el } from "./dom.js";

const STATUSES = ["running", "failed", "complete", "deleted", "expired"];

function field(name, label, control) {
  control.id = `filter-${name}`;
  control.name = name;
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control);
}

function options(names, chosen) {
  return [
    el("option", { value: "" }, "any"),
    ...names.map((name) => el("option", { value: name, selected: name === chosen }, name)),
  ];
}

export class Filters {
  #status;
  #pipeline;
  #stages = el("datalist", { id: "stages" });
  element;

  /** `query` is what the address says now. */
  constructor(query) {
    this.#status = el("select", {}, options(STATUSES, query.get("status")));
    this.#pipeline = el("select", {}, options(kept(query.get("pipeline")), query.get("pipeline")));
    const stage = el("input", { list: "stages", value: query.get("stage"), autocomplete: "off",
      placeholder: "any" });
    this.element = el(
      "form",
      { class: "filters", role: "search", "aria-label": "Filter jobs",
        onsubmit: (event) => event.preventDefault(),
        onchange: () => this.#apply(new FormData(this.element)) },
      field("status", "Status", this.#status),
      field("pipeline", "Pipeline", this.#pipeline),
      field("stage", "Latest stage", stage),
      this.#stages,
    );
  }

  /** Offer the pipelines on record, and their stages. */
  offer(pipelines) {
    const chosen = this.#pipeline.value;
    const names = [...new Set([...Object.keys(pipelines), ...kept(chosen)])];
    if (names.length + 1 !== this.#pipeline.options.length) {
      this.#pipeline.replaceChildren(...options(names, chosen));
    }
    const stages = new Set(chosen ? pipelines[chosen] : Object.values(pipelines).flat());
    if (stages.size !== this.#stages.options.length) {
      this.#stages.replaceChildren(...[...stages].map((value) => el("option", { value })));
    }
  }

  #apply(form) {
    const wanted = [...form].filter(([, value]) => value);
    const query = new URLSearchParams(wanted).toString();
    location.hash = query ? `#/jobs?${query}` : "#/jobs";
  }
}

const kept = (name) => (name ? [name] : []);
