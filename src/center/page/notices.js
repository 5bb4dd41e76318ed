// News that one sees without looking: toasts, and the browser's notifications where they are allowed.

import { $, make, visible } from "./dom.js";

const SHOWN = 5;
const LIFE = 5000;

/** Shows a sentence for some seconds; bad news stay longer. */
export function toast(text, bad = false) {
  const all = $("toasts");
  const close = make("button", { type: "button", "aria-label": "Dismiss", click: () => element.remove() }, "✕");
  const element = make("div", { class: bad ? "toast bad" : "toast" }, make("span", {}, text), close);
  all.append(element);
  while (all.childElementCount > SHOWN) all.firstElementChild.remove();
  setTimeout(() => element.remove(), bad ? LIFE * 2 : LIFE);
}

function notify(text) {
  if (!("Notification" in window) || Notification.permission !== "granted" || !document.hidden) return;
  try {
    new Notification("wrap", { body: text, icon: "/icon.svg" });
  } catch {
    // Some browsers have it for service workers alone.
  }
}

/** Whether it ended otherwise than by being asked to, or by itself and well. */
export const hasFailed = (instance, before) =>
  Boolean(instance.lost || ((instance.signal || instance.exitCode) && before?.state !== "stopping"));

/** Tells what has happened to an instance, if that is worth it. */
export function news(kind, instance, before) {
  const name = visible(instance?.projectName);
  if (kind === "new") burst(`${name} started`, (count) => `${count} started`);
  else if (kind === "gone") {
    const failed = hasFailed(instance, before);
    const how = instance.signal
      ? `was ended by ${instance.signal}`
      : instance.lost || instance.exitCode == null
        ? "is gone, and nobody saw how"
        : `exited with ${instance.exitCode}`;
    if (failed) toast(`${name} ${how}`, true);
    else burst(`${name} ${how}`, (count) => `${count} ended`);
    if (failed) notify(`${name} ${how}`);
  } else if (kind === "change" && instance.status !== before?.status) {
    const text = { unresponsive: `${name} does not answer`, orphaned: `${name} has lost its keeper` }[instance.status];
    if (text) {
      toast(text, true);
      notify(text);
    } else if (instance.status === "healthy" && before?.status === "unresponsive") toast(`${name} answers again`);
  }
}

// Many of a kind within a moment are one piece of news.
const bursts = new Map();
function burst(text, all) {
  const kind = all(0);
  const known = bursts.get(kind);
  if (known) {
    known.count += 1;
    return;
  }
  const now = { count: 1 };
  bursts.set(kind, now);
  setTimeout(() => {
    bursts.delete(kind);
    toast(now.count > 1 ? all(now.count) : text);
  }, 150);
}

/** The button that asks the browser for leave. */
export function offer() {
  const button = $("notify");
  if (!("Notification" in window) || Notification.permission !== "default") return;
  button.hidden = false;
  button.onclick = async () => {
    await Notification.requestPermission();
    button.hidden = true;
  };
}
