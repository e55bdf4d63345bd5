// The filters of the list of jobs. They live in the page's address, so that it can be kept.

import { el } from "./dom.js";

const STATUSES = ["running", "failed", "complete", "deleted", "expired"];
const CALM_MS = 300; // after the last key, before what was typed is looked for

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
  #name = el("input", { type: "search", autocomplete: "off", spellcheck: "false",
    "aria-keyshortcuts": "/", placeholder: "any", oninput: () => this.#typed() });
  #status = el("select", {}, options(STATUSES));
  #pipeline = el("select", {}, options([]));
  #stage = el("input", { list: "stages", autocomplete: "off", placeholder: "any" });
  #stages = el("datalist", { id: "stages" });
  #timer = 0;
  element = el(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter jobs",
      onsubmit: (event) => {
        event.preventDefault();
        this.#apply();
      },
      onchange: () => this.#apply() },
    field("name", "Name", this.#name),
    field("status", "Status", this.#status),
    field("pipeline", "Pipeline", this.#pipeline),
    field("stage", "Latest stage", this.#stage),
    this.#stages,
  );

  /** `query` is what the address says now. */
  constructor(query) {
    this.show(query);
  }

  /** Show what the address says now; what is being typed stays. */
  show(query) {
    clearTimeout(this.#timer);
    const pipeline = query.get("pipeline") ?? "";
    if (![...this.#pipeline.options].some((one) => one.value === pipeline)) {
      this.#pipeline.append(...options([pipeline]).slice(1));
    }
    this.#status.value = query.get("status") ?? "";
    this.#pipeline.value = pipeline;
    for (const [control, name] of [[this.#name, "name"], [this.#stage, "stage"]]) {
      const wanted = query.get(name) ?? "";
      if (control.value.trim() !== wanted) control.value = wanted;
    }
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

  /** Let somebody type a name at once. */
  focus() {
    this.#name.select();
    this.#name.focus();
  }

  /** Apply nothing any more. */
  close() {
    clearTimeout(this.#timer);
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#apply((address) => location.replace(address)), CALM_MS);
  }

  /** Have the address say what is wanted; what is typed key by key is no step to go back to. */
  #apply(go = (address) => location.assign(address)) {
    clearTimeout(this.#timer);
    const wanted = [...new FormData(this.element)].map(([name, value]) => [name, value.trim()]);
    const query = new URLSearchParams(wanted.filter(([, value]) => value)).toString();
    const address = query ? `#/jobs?${query}` : "#/jobs";
    if ((location.hash || "#/jobs") !== address) go(address);
  }
}

const kept = (name) => (name ? [name] : []);
