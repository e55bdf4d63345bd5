// A job's timeline: every attempt at a stage, drawn to scale, and the same as a table.

import { el, row, svg, table } from "./dom.js";
import { at, counted, duration } from "./format.js";
import { status } from "./status.js";
import { when } from "./time.js";

const LANE = 34;
const TOP = 26;
const BAR = 14;
const LEAST = 3; // pixels of the shortest attempt
const PALE = " A pale bar is the time since the event before, where the pipeline did not measure.";
const NARROW = 600;
const TICK_EVERY = 90; // pixels, at least
const LAST = 30; // pixels from the end, where a tick's text is put before it
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000,
  60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000,
  21_600_000, 43_200_000, 86_400_000];

export class Timeline {
  #known = null;
  #drawing = el("div");
  #rows = el("div", { class: "scroll" });
  #text = el("p", { class: "muted small" });
  #watch = new ResizeObserver(() => this.#draw());
  element = el("div", {}, el("div", { class: "timeline" }, this.#drawing), this.#text,
    el("details", {}, el("summary", {}, "Timeline as a table"), this.#rows));

  constructor() {
    this.#watch.observe(this.#drawing);
  }

  /** Show what happened when. */
  update(timeline) {
    this.#known = timeline;
    this.#text.textContent = timeline ? described(timeline) : "No events are on record.";
    this.#rows.replaceChildren(timeline ? attemptsTable(timeline) : "");
    this.#draw();
  }

  close() {
    this.#watch.disconnect();
  }

  #draw() {
    const width = this.#drawing.clientWidth;
    if (!width || !this.#known) return this.#drawing.replaceChildren();
    this.#drawing.replaceChildren(drawn(this.#known, width));
  }
}

function described({ begin_ms, end_ms, attempts }) {
  const failed = attempts.filter((one) => one.outcome === "failed").length;
  const text = `${duration(end_ms - begin_ms)} from ${at(begin_ms)} to ${at(end_ms)}`;
  const isGuessed = attempts.some((one) => !one.is_measured && one.outcome !== "copied");
  return `${text}; ${counted(attempts.length, "attempt")}, ${failed} failed.${isGuessed ? PALE : ""}`;
}

function drawn(known, width) {
  const isNarrow = width < NARROW;
  const left = isNarrow ? 4 : Math.min(200, 24 + 8 * Math.max(...known.stages.map(size), 4));
  const lane = isNarrow ? LANE + 12 : LANE;
  const height = TOP + known.stages.length * lane + 8;
  const span = Math.max(known.end_ms - known.begin_ms, 1);
  const x = (ms) => left + ((ms - known.begin_ms) / span) * (width - left - 20);
  const y = (stage) => TOP + known.stages.indexOf(stage) * lane + (isNarrow ? 22 : 10);
  return svg("svg", { width, height, role: "img", "aria-label": described(known) },
    ticks(span, (width - left - 20), (ms) => x(known.begin_ms + ms), height),
    known.stages.map((stage) => label(stage, isNarrow ? 4 : 0, y(stage), isNarrow, left)),
    known.marks.map((mark) => moment(mark, x(mark.at_ms), height)),
    known.attempts.map((attempt) => bar(attempt, x, y(attempt.stage))));
}

const size = (stage) => stage.length;

function ticks(span, pixels, x, height) {
  const fit = Math.max(1, Math.floor(pixels / TICK_EVERY));
  const step = STEPS.find((one) => span / one <= fit) ?? Math.ceil(span / fit / STEPS.at(-1)) * STEPS.at(-1);
  const found = [];
  for (let ms = 0; ms <= span; ms += step) {
    found.push(svg("line", { class: "tick", x1: x(ms), x2: x(ms), y1: TOP - 6, y2: height }));
    const isLast = pixels - (x(ms) - x(0)) < LAST;
    found.push(svg("text", { class: "tick-text", y: 14, x: x(ms) + (isLast ? 16 : 3),
      "text-anchor": isLast ? "end" : "start" }, ms ? duration(ms) : "0"));
  }
  return found;
}

function label(stage, x, y, isNarrow, left) {
  const most = isNarrow ? 40 : Math.floor((left - 12) / 7.2);
  const text = stage.length > most ? `${stage.slice(0, most - 1)}…` : stage;
  return svg("text", { class: "lane", x, y: isNarrow ? y - 5 : y + BAR - 3 },
    text, svg("title", {}, stage));
}

function bar(attempt, x, y) {
  const from = x(attempt.begin_ms);
  const wide = Math.max(LEAST, x(attempt.end_ms) - from);
  const kind = `bar ${attempt.outcome}${attempt.is_measured || attempt.outcome === "copied" ? "" : " guessed"}`;
  const shape = svg("rect", { class: kind, x: from, y, width: wide, height: BAR, rx: 2 });
  const cross = svg("text", { class: "cross", x: from + wide + 3, y: y + BAR - 2 }, "✕");
  return svg("g", {}, svg("title", {}, words(attempt)), shape,
    attempt.outcome === "failed" ? cross : "");
}

function moment(mark, x, height) {
  return svg("g", {},
    svg("title", {}, `${mark.text}, ${at(mark.at_ms)}`),
    svg("line", { class: "mark", x1: x, x2: x, y1: TOP - 6, y2: height }),
    svg("path", { class: "mark-sign", d: `M${x - 4} ${TOP - 8}h8l-4 6z` }));
}

function words({ stage, outcome, version, begin_ms, end_ms, is_measured, error }) {
  const took = `${is_measured ? "" : "at most "}${duration(end_ms - begin_ms)}`;
  return [`${stage} ${outcome}, version ${version}, ${took}`, error].filter(Boolean).join("\n");
}

function attemptsTable({ attempts, marks }) {
  const found = [
    ...attempts.map((one) => ({ ...one, at_ms: one.end_ms })),
    ...marks,
  ].sort((one, other) => one.version - other.version);
  const rows = found.map((one) => row([
    String(one.version),
    el("span", { class: "name" }, one.stage ?? one.text),
    one.outcome ? status(one.outcome) : "",
    when(one.at_ms),
    one.stage ? `${one.is_measured ? "" : "≤ "}${duration(one.end_ms - one.begin_ms)}` : "",
    one.error ?? "",
  ]));
  return table("Attempts and moments, in their order",
    ["Version", "Stage or moment", "Outcome", "At", "Took", "Error"], rows);
}
