// How times, durations, sizes and counts are written.

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** Write milliseconds as a duration: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 20 min`. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const index = UNITS.findIndex(([size]) => seconds >= size);
  const [size, unit] = UNITS[index];
  const whole = Math.floor(seconds / size);
  const [small, name] = UNITS[index + 1] ?? [];
  const rest = small ? Math.floor((seconds % size) / small) : 0;
  return rest ? `${whole} ${unit} ${rest} ${name}` : `${whole} ${unit}`;
}

/** Write how long ago a time was, or how far off it is. */
export function ago(time) {
  const ms = Date.now() - new Date(time).getTime();
  if (Math.abs(ms) < 1000) return "now";
  const seconds = Math.round(Math.abs(ms) / 1000);
  const [size, unit] = UNITS.find(([each]) => seconds >= each);
  return ms < 0 ? `in ${Math.round(seconds / size)} ${unit}` : `${Math.floor(seconds / size)} ${unit} ago`;
}

/** Write a time as the command line does, `2026-01-31 12:00:00 UTC`: they can be compared. */
export function at(time) {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Write a number of bytes. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const kilo = count / 1000;
  return kilo < 1000 ? `${kilo.toPrecision(3)} kB` : `${(kilo / 1000).toPrecision(3)} MB`;
}

/** Write what a failure was: its class and message, or nothing where there was none. */
export function failureOf(error, message) {
  return error ? `${error}: ${message}` : "";
}

/** Write a count and what is counted: `1 job`, `2 jobs`. */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
