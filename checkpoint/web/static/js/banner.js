// The banner: what is wrong now, if anything is. It goes by itself when all is well again.

const element = document.getElementById("banner");
const wrong = { stream: "", page: "" };

/** Say what is wrong with `stream` or `page`; "" where all is well. */
export function say(subject, error) {
  wrong[subject] = error;
  const text = wrong.page || wrong.stream;
  if (element.textContent !== text) element.textContent = text;
}
