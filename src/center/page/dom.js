// The smallest help for making elements. Text is always text: nothing here reads markup.

export const $ = (id) => document.getElementById(id);

/** An element with these properties (`class`, `data-…` and `aria-…` as attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name.includes("-") || name === "class" || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only where it differs: nothing is laid out again for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Control characters and marks that turn the direction of writing, made visible: names come from strangers' files. */
export function visible(text) {
  return String(text ?? "").replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu,
    (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
  );
}

/** An address that a browser may be sent to: nothing but the web. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Milliseconds as people say them, in the two largest units. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86400)];
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} m`;
  if (minutes) return `${minutes} m ${seconds % 60} s`;
  return `${seconds} s`;
}

/** Bytes as people say them. */
export function bytes(count) {
  if (count >= 1 << 30) return `${(count / (1 << 30)).toFixed(1)} GiB`;
  return `${(count / (1 << 20)).toFixed(count < 10 << 20 ? 1 : 0)} MiB`;
}
