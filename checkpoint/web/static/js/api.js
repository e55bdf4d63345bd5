// Requests to the server that the page came from.

let token = "";

function url(path, query) {
  const found = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) found.searchParams.set(name, value);
  }
  return found;
}

async function answered(response) {
  const answer = await response.json().catch(() => ({ error: response.statusText }));
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  return answer;
}

async function sent(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The page's own server does not answer: see that `checkpoint web` runs");
  }
  return answered(response);
}

/** Ask for something. */
export function get(path, query = {}, signal = undefined) {
  return sent(url(path, query), { signal, cache: "no-store" });
}

/** Change something. */
export async function post(path, body) {
  const used = token;
  try {
    return await sent(url(path, {}), posted(body));
  } catch (error) {
    // a server that was started anew has another token
    if (error.status !== 403 || (await log()).token === used) throw error;
    return sent(url(path, {}), posted(body));
  }
}

function posted(body) {
  const headers = { "Content-Type": "application/json", "X-Checkpoint-Token": token };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

/** Ask which log this is, and whether it may be changed from here. */
export async function log() {
  const known = await get("log");
  token = known.token;
  return known;
}

/** Whether the server lets the page change anything. */
export const mayChange = () => token !== "";

/** The address of something to download. */
export const address = (path, query) => url(path, query).href;
