// Elements, made of text and other elements. Nothing here or elsewhere parses text as HTML.

const SVG = "http://www.w3.org/2000/svg";

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

/** Make an HTML element; attributes that are functions are listeners: `onclick`. */
export function el(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

/** Make an SVG element. */
export function svg(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

/** Make a table that keeps its roles also where it is laid out as something else. */
export function table(caption, heads, rows, attributes = {}) {
  return el(
    "table",
    { role: "table", ...attributes },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads.map(
      (head) => el("th", { scope: "col", role: "columnheader" }, head)))),
    el("tbody", { role: "rowgroup" }, rows),
  );
}

/** Make a row of a table. */
export function row(cells, attributes = {}) {
  return el("tr", { role: "row", ...attributes },
    cells.map((cell) => el("td", { role: "cell" }, cell)));
}

/** Make a heading that can take the focus when a page is shown. */
export function title(...text) {
  return el("h1", { tabindex: "-1" }, ...text);
}
