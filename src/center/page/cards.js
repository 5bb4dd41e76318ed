// The list: a card for each instance, kept as it is where nothing changed.

import { $, bytes, duration, make, say, visible, webAddress } from "./dom.js";
import { cpuOf, running, stopped, uptime } from "./store.js";
import { act } from "./actions.js";

// By word and by shape: colours alone tell nothing to many.
const SHAPES = {
  healthy: "●",
  starting: "◐",
  restarting: "↻",
  stopping: "◒",
  unresponsive: "▲",
  orphaned: "◆",
  stopped: "■",
  dead: "✕",
};
const ORDER = [
  "unresponsive",
  "orphaned",
  "starting",
  "restarting",
  "stopping",
  "healthy",
  "unknown",
  "dead",
  "stopped",
];

const cards = new Map();
let shown = [];
let current = null;

/** Puts a status on a badge. */
export function badge(element, instance) {
  const late = instance.ready === false && instance.state === "running" && instance.status === "healthy";
  element.dataset.status = instance.status;
  element.classList.toggle("bad", instance.status === "stopped" && Boolean(instance.exitCode || instance.lost));
  say(element.firstElementChild, SHAPES[instance.status] ?? "?");
  const how =
    instance.status !== "stopped"
      ? ""
      : instance.signal
        ? ` (${instance.signal})`
        : instance.exitCode === null
          ? ""
          : ` (exit ${instance.exitCode})`;
  say(element.lastElementChild, (late ? "not ready" : instance.status) + how);
}

function card(id) {
  const root = $("card").content.firstElementChild.cloneNode(true);
  const part = (name) => root.querySelector(`.${name}`);
  const parts = Object.fromEntries(
    [
      "name",
      "badge",
      "command",
      "port",
      "branch",
      "restart",
      "path",
      "uptime",
      "cpu",
      "memory",
      "connect",
      "start",
      "stop",
    ].map((name) => [name, part(name)]),
  );
  parts.again = part("restart-it");
  parts.line = root.querySelector("polyline");
  root.dataset.id = id;
  parts.name.href = `#/i/${id}`;
  parts.connect.addEventListener("click", () => {
    location.hash = `#/i/${id}`;
  });
  for (const [button, what] of [
    [parts.stop, "stop"],
    [parts.again, "restart"],
    [parts.start, "start"],
  ])
    button.addEventListener("click", () => act(what, id));
  root.addEventListener("focusin", () => select(id, false));
  const item = make("li", {}, root);
  return { item, root, parts };
}

function fill({ root, parts }, instance) {
  const name = visible(instance.projectName) || "(no name)";
  const label = `${name}, ${instance.status}`;
  if (root.getAttribute("aria-label") !== label) root.setAttribute("aria-label", label);
  say(parts.name, name);
  badge(parts.badge, instance);
  say(parts.command, visible(instance.command));
  parts.command.title = visible(instance.command);
  const ended = instance.status === "stopped";
  const url = ended ? null : webAddress(instance.url);
  say(parts.port, instance.port ? `:${instance.port}` : "");
  if (url) {
    parts.port.href = url;
    parts.port.setAttribute("aria-label", `Open port ${instance.port} in the browser`);
  } else {
    parts.port.removeAttribute("href");
    parts.port.removeAttribute("aria-label");
  }
  say(parts.branch, visible(instance.branch ?? ""));
  parts.restart.hidden = !instance.restartNeeded;
  say(parts.path, visible(instance.cwd));
  parts.path.title = visible(instance.cwd);
  parts.stop.hidden = parts.again.hidden = ended;
  parts.start.hidden = !ended;
  parts.again.disabled = instance.mode === "adopted" || instance.status === "orphaned";
  say(parts.connect, ended ? "Log" : "Connect");
  for (const [button, what] of [
    [parts.connect, ended ? "Log of" : "Connect to"],
    [parts.again, "Restart"],
    [parts.start, "Start"],
    [parts.stop, "Stop"],
  ])
    button.setAttribute("aria-label", `${what} ${name}`);
  count({ parts }, instance);
}

function count({ parts }, instance) {
  say(parts.uptime, (instance.status === "stopped" ? "ran " : "up ") + duration(uptime(instance)));
  say(parts.cpu, instance.cpu == null ? "" : `${instance.cpu.toFixed(instance.cpu < 10 ? 1 : 0)} % CPU`);
  say(parts.memory, instance.memory == null ? "" : bytes(instance.memory));
  const seen = cpuOf(instance.instanceId);
  const most = Math.max(10, ...seen);
  const points = seen
    .map((cpu, at) => `${((at * 80) / 39).toFixed(1)},${(19 - (cpu / most) * 18).toFixed(1)}`)
    .join(" ");
  if (parts.line.getAttribute("points") !== points) parts.line.setAttribute("points", points);
}

/** What is searched for, chosen and sorted by. */
function wanted() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const status = $("filter").value;
  const text = (one) =>
    `${one.projectName}\n${one.command}\n:${one.port ?? ""}\n${one.cwd}\n${one.branch ?? ""}\n${one.instanceId.slice(-6)}`.toLowerCase();
  const all = [...(status === "stopped" ? stopped : running).values()];
  const fits = all.filter(
    (one) =>
      (!status || one.status === status) &&
      (!words.length || ((found) => words.every((word) => found.includes(word)))(text(one))),
  );
  const newest = (a, b) => (a.instanceId < b.instanceId ? 1 : -1);
  const by = {
    newest: () => 0,
    name: (a, b) => a.projectName.localeCompare(b.projectName),
    status: (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status),
    port: (a, b) => (a.port ?? 1e5) - (b.port ?? 1e5),
    cpu: (a, b) => (b.cpu ?? 0) - (a.cpu ?? 0),
    memory: (a, b) => (b.memory ?? 0) - (a.memory ?? 0),
  }[$("sort").value];
  return fits.sort((a, b) => by(a, b) || newest(a, b));
}

/** Draws the list as it is now; `fresh` are the ids that have just come. */
export function draw(fresh = new Set()) {
  shown = wanted();
  const there = new Set(shown.map((one) => one.instanceId));
  for (const id of [...cards.keys()])
    if (!there.has(id)) {
      cards.get(id).item.remove();
      cards.delete(id);
    }
  const groups = new Map();
  for (const one of shown) {
    const key = $("group").checked ? one.projectRoot || one.cwd : "";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  const list = $("list");
  const sections = [...list.children];
  let at = 0;
  for (const [key, members] of groups) {
    let section = sections[at];
    if (!section) {
      section = make("div", {}, make("h2", { class: "group" }), make("ul", { class: "grid" }));
      list.append(section);
    }
    at += 1;
    const [title, grid] = section.children;
    title.hidden = !key;
    say(title, visible(key));
    members.forEach((one, place) => {
      let known = cards.get(one.instanceId);
      if (!known) {
        known = card(one.instanceId);
        cards.set(one.instanceId, known);
      }
      fill(known, one);
      known.root.classList.toggle("new", fresh.has(one.instanceId));
      if (grid.children[place] !== known.item) grid.insertBefore(known.item, grid.children[place] ?? null);
    });
  }
  for (const section of sections.slice(at)) section.remove();
  if (!there.has(current)) current = null;
  mark();
  return { shown: shown.length, searched: $("search").value.trim() !== "" || $("filter").value !== "" };
}

/** The numbers alone. */
export function tick() {
  for (const one of shown) {
    const known = cards.get(one.instanceId);
    if (known) count(known, running.get(one.instanceId) ?? one);
  }
}

function mark() {
  cards.forEach(({ root }, id) => {
    root.classList.toggle("now", id === current);
    root.tabIndex = id === (current ?? shown[0]?.instanceId) ? 0 : -1;
  });
}

/** Makes a card the current one. */
export function select(id, focus = true) {
  current = id;
  mark();
  const known = cards.get(id);
  if (known && focus) {
    known.root.focus({ preventScroll: true });
    known.root.scrollIntoView({ block: "nearest" });
  }
}

/** The next card, or the one before. */
export function move(step) {
  const at = shown.findIndex((one) => one.instanceId === current);
  const next = shown[Math.min(Math.max(at < 0 ? (step > 0 ? 0 : shown.length - 1) : at + step, 0), shown.length - 1)];
  if (next) select(next.instanceId);
}

export const chosen = () => current;
