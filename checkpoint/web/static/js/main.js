// The page: which part of it is shown, and what keeps that up to date.

import { log } from "./api.js";
import { say } from "./banner.js";
import { JobPage } from "./job.js";
import { JobsPage } from "./jobs.js";
import { News } from "./news.js";
import { NowherePage } from "./nowhere.js";
import { OperationsPage } from "./operations.js";
import { keepTime } from "./time.js";

const PAGES = {
  jobs: JobsPage, job: JobPage, operations: OperationsPage, nowhere: NowherePage,
};
const AGAIN_MS = 2000;

const main = document.getElementById("main");
let shown = null;

/** Read an address: `#/job/NAME?version=3`. */
function route() {
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [name, ...rest] = path.split("/");
  const isKnown = Object.hasOwn(PAGES, name) && (name === "job" ? rest.join("") : !rest.join(""));
  const page = isKnown ? name : name ? "nowhere" : "jobs";
  const what = page === "nowhere" ? location.hash : rest.join("/");
  return { page, name: decode(what), query: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

function show() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const { page, name, query } = route();
  const isSame = shown?.page === page && shown.name === name;
  say("page", "");
  if (isSame && shown.view.follow) {
    shown.view.follow(query);
    return;
  }
  shown?.view.close();
  const view = new PAGES[page](name, query);
  shown = { page, name, view };
  main.replaceChildren(view.element);
  document.title = `${view.title} · checkpoint`;
  for (const link of document.querySelectorAll("[data-page]")) {
    const isCurrent = link.dataset.page === page;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isSame) {
    scrollTo(0, 0);
    if (isStarted) main.querySelector("h1")?.focus({ preventScroll: true });
  }
}

async function identify() {
  try {
    document.getElementById("log").textContent = `log ${(await log()).namespace}`;
  } catch {
    setTimeout(identify, AGAIN_MS);
  }
}

let isStarted = false;
const news = new News(
  (jobs) => shown?.view.hear(jobs),
  (error) => say("stream", error),
);

document.getElementById("pause").addEventListener("click", (event) => {
  news.pause(!news.isPaused);
  if (news.isPaused) shown?.view.rest?.();
  event.target.setAttribute("aria-pressed", String(news.isPaused));
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);

await identify();
show();
isStarted = true;
keepTime();
