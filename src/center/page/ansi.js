// Colours of a terminal as elements: SGR and OSC 8 (ECMA-48, 8.3.117). All else was taken out on the way here.

import { webAddress } from "./dom.js";

const SEQUENCE = /\x1b\[([0-9;:]*)m|\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]*)(?:\x07|\x1b\\)/g;
const LEVELS = [0, 95, 135, 175, 215, 255];
const SWITCHES = {
  1: ["b", true],
  2: ["d", true],
  3: ["i", true],
  4: ["u", true],
  7: ["r", true],
  8: ["h", true],
  9: ["s", true],
  23: ["i", false],
  24: ["u", false],
  27: ["r", false],
  28: ["h", false],
  29: ["s", false],
};

/** What holds from one line to the next. */
export const plain = () => ({ fore: null, back: null, on: new Set(), link: null });

function colour(numbers) {
  const kind = numbers.shift();
  if (kind === 5) {
    const n = numbers.shift();
    if (n < 16) return n;
    if (n < 232)
      return `rgb(${LEVELS[Math.floor((n - 16) / 36)]} ${LEVELS[Math.floor((n - 16) / 6) % 6]} ${LEVELS[(n - 16) % 6]})`;
    return n < 256
      ? `rgb(${Array(3)
          .fill(8 + (n - 232) * 10)
          .join(" ")})`
      : null;
  }
  const parts = kind === 2 ? numbers.splice(0, 3) : [];
  return parts.length === 3 && parts.every((part) => part < 256) ? `rgb(${parts.join(" ")})` : null;
}

function apply(style, text) {
  // With colons a colour is one parameter, and may have an empty colour space in it.
  const numbers = text
    .replace(/([34]8):2::?(?:\d*:)?(\d+):(\d+):(\d+)/g, "$1;2;$2;$3;$4")
    .replaceAll(":", ";")
    .split(";")
    .map(Number);
  while (numbers.length) {
    const n = numbers.shift();
    if (n === 0) Object.assign(style, { fore: null, back: null, on: new Set() });
    else if (n === 22) {
      style.on.delete("b");
      style.on.delete("d");
    } else if (SWITCHES[n]) style.on[SWITCHES[n][1] ? "add" : "delete"](SWITCHES[n][0]);
    else if (n >= 30 && n < 38) style.fore = n - 30;
    else if (n >= 90 && n < 98) style.fore = n - 82;
    else if (n >= 40 && n < 48) style.back = n - 40;
    else if (n >= 100 && n < 108) style.back = n - 92;
    else if (n === 38) style.fore = colour(numbers);
    else if (n === 48) style.back = colour(numbers);
    else if (n === 39) style.fore = null;
    else if (n === 49) style.back = null;
  }
}

const css = (value) => (typeof value === "number" ? `var(--c${value})` : value);

function span(style, text) {
  const { on, link } = style;
  if (style.fore === null && style.back === null && !on.size && !link) return document.createTextNode(text);
  const address = link && webAddress(link);
  const element = document.createElement(address ? "a" : "span");
  if (address) Object.assign(element, { href: address, target: "_blank", rel: "noopener noreferrer" });
  const classes = [...on].filter((name) => name !== "r");
  let [fore, back] = [style.fore, style.back];
  if (on.has("r")) [fore, back] = [back ?? "var(--term-back)", fore ?? "var(--term-ink)"];
  if (typeof fore === "number") classes.push(`f${fore}`);
  else if (fore) element.style.color = fore;
  if (back !== null) element.style.backgroundColor = css(back);
  element.className = classes.join(" ");
  element.textContent = text;
  return element;
}

/** The nodes of a line. `style` is what holds at its beginning, and afterwards what holds at its end. */
export function nodes(text, style = plain()) {
  const made = [];
  let at = 0;
  const push = (end) => {
    if (end > at) made.push(span(style, text.slice(at, end)));
  };
  for (const found of text.matchAll(SEQUENCE)) {
    push(found.index);
    at = found.index + found[0].length;
    if (found[1] !== undefined) apply(style, found[1] || "0");
    else style.link = found[2] || null;
  }
  push(text.length);
  return made;
}
