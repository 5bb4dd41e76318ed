// One instance: its log, its screen, a line to type, its details.

import { $, bytes, duration, make, say, visible, webAddress } from "./dom.js";
import { askOf, Refused } from "./session.js";
import { find, load, onNews, open, uptime } from "./store.js";
import { act, type } from "./actions.js";
import { badge } from "./cards.js";
import { logView } from "./log.js";
import { nodes, plain } from "./ansi.js";

const LOOK = 1000;
const KEYS = [
  ["Ctrl-C", "ctrl-c"],
  ["Enter", "enter"],
  ["↑", "up"],
  ["↓", "down"],
  ["Tab", "tab"],
  ["Esc", "esc"],
  ["Ctrl-D", "ctrl-d"],
];
const NAMES = { "↑": "Up", "↓": "Down" };
const TABS = [
  ["log", "Log"],
  ["screen", "Screen"],
  ["details", "Details"],
];

/** Leaves what was connected to: nothing of it goes on. */
export function leave() {
  open.view?.end();
  open.view = null;
  document.body.classList.remove("one");
  $("instance").hidden = true;
  $("instance").replaceChildren();
}

/** Shows an instance, afresh. */
export async function connect(id, tab = "log") {
  leave();
  const section = $("instance");
  section.hidden = false;
  document.body.classList.add("one");
  // Replaced by what follows; until then there is a view that can be left.
  const mine = { id, elements: [], choose() {}, end() {} };
  open.view = mine;
  const instance = find(id) ?? (await load(id).catch(() => null));
  if (open.view !== mine) return;
  if (!instance) {
    const back = make("p", {}, make("a", { href: "#/" }, "Back to all"));
    section.append(
      make(
        "div",
        { class: "state" },
        make("h1", {}, "It is not known any more"),
        make("p", {}, "The last 50 that have ended are kept."),
        back,
      ),
    );
    return;
  }
  open.view = shown(instance, tab);
  section.append(...open.view.elements);
}

function shown(instance, first) {
  const id = instance.instanceId;
  const mark = make("span", { class: "badge" }, make("i", { "aria-hidden": "true" }), make("b"));
  const button = (label, what, extra = {}) =>
    make("button", { type: "button", click: () => act(what, id), ...extra }, label);
  const visit = button("Open in browser", "open");
  const restart = button("Restart", "restart");
  const stop = button("Stop", "stop", { class: "danger" });
  const start = button("Start", "start");
  const needed = make("span", { class: "restart" }, "Restart needed");
  const title = make("h1", { tabIndex: -1 }, visible(instance.projectName));
  const top = make(
    "div",
    { class: "top" },
    make("a", { href: "#/", "aria-label": "Back to all instances" }, "← All"),
    title,
    mark,
    needed,
    make("div", { class: "buttons" }, visit, restart, start, stop),
  );
  const command = make("p", { class: "full command" }, visible(instance.command));
  const tabs = make("div", { role: "tablist", "aria-label": "Views" });
  const panel = make("div", { role: "tabpanel", id: "panel" });
  let ended = () => {};
  let now = null;

  function choose(tab, focus = true) {
    ended();
    now = tab;
    // So that a reload shows the same.
    history.replaceState(null, "", `#/i/${id}${tab === "log" ? "" : `/${tab}`}`);
    for (const one of tabs.children) {
      one.setAttribute("aria-selected", one.dataset.tab === tab);
      one.tabIndex = one.dataset.tab === tab ? 0 : -1;
      if (focus && one.dataset.tab === tab) one.focus();
    }
    panel.setAttribute("aria-labelledby", `tab-${tab}`);
    const made = { log: logTab, screen: screenTab, details: detailsTab }[tab](find(id) ?? instance);
    ended = made.end;
    panel.replaceChildren(...made.elements);
  }
  for (const [tab, label] of TABS) {
    tabs.append(
      make(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${tab}`,
          "data-tab": tab,
          "aria-controls": "panel",
          click: () => choose(tab, false),
        },
        label,
      ),
    );
  }
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) choose(TABS[(TABS.findIndex(([tab]) => tab === now) + step + TABS.length) % TABS.length][0]);
  });

  function update() {
    const one = find(id);
    if (!one) return;
    badge(mark, one);
    const over = one.status === "stopped";
    visit.hidden = !webAddress(one.url) || over;
    restart.hidden = stop.hidden = over;
    restart.disabled = one.mode === "adopted" || one.status === "orphaned";
    start.hidden = !over;
    needed.hidden = !one.restartNeeded;
    if (now === "details") fillDetails(panel.firstElementChild, one);
    const typing = panel.querySelector(".type");
    if (over) panel.querySelector(".clear")?.remove();
    if (typing && over) typing.replaceWith(make("p", { class: "why" }, "It has ended; nothing can be typed any more."));
  }
  choose(first, false);
  update();
  const forget = onNewsOf(id, update);
  queueMicrotask(() => title.focus({ preventScroll: true }));
  return {
    elements: [top, command, tabs, panel],
    end() {
      forget();
      ended();
    },
    choose,
    id,
  };
}

const watching = new Map();
onNews((kind, instance) =>
  watching.forEach((update, id) => {
    if (kind === "all" || kind === "usage" || instance?.instanceId === id) update();
  }),
);
function onNewsOf(id, update) {
  watching.set(id, update);
  return () => watching.delete(id);
}

function logTab(instance) {
  const log = logView(instance);
  const clear = make(
    "button",
    {
      type: "button",
      class: "clear",
      click: async () => {
        if (await act("clear", instance.instanceId)) log.clear();
      },
    },
    "Clear",
  );
  if (instance.status !== "stopped") log.elements[0].append(clear);
  return { elements: [...log.elements, typing(instance)], end: log.end };
}

/** A line to type, where that can be. */
function typing(instance) {
  const why = {
    stopped: "It has ended; nothing can be typed any more.",
    pipe: "Its input is its caller's own: nothing can be typed here. With --pty or -d it gets a terminal of wrap's.",
    adopted: "wrap did not start it: its terminal stays where it was started.",
  }[instance.status === "stopped" ? "stopped" : instance.mode];
  if (why) return make("p", { class: "why" }, why);
  const input = make("input", {
    type: "text",
    name: "line",
    placeholder: "Type a line  (i)",
    "aria-label": "A line to type",
    autocomplete: "off",
    spellcheck: false,
  });
  const form = make(
    "form",
    { class: "type" },
    input,
    make("button", {}, "Send"),
    ...KEYS.map(([label, key]) =>
      make(
        "button",
        {
          type: "button",
          "aria-label": `Press ${NAMES[label] ?? label}`,
          click: () => type(instance.instanceId, { key }),
        },
        label,
      ),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const line = input.value;
    input.value = "";
    if (!(await type(instance.instanceId, { line })) && input.value === "") input.value = line;
  });
  return form;
}

function screenTab(instance) {
  const terminal = make("div", { class: "terminal screen", role: "img", "aria-label": "Screen", tabIndex: 0 });
  let timer = null;
  let last = null;
  let over = instance.status === "stopped";
  const look = async () => {
    try {
      const text = document.hidden ? last : await (await askOf(instance.instanceId, "screen?format=ansi")).text();
      // What somebody has selected stays until it is let go.
      const chosen = !getSelection().isCollapsed && terminal.contains(getSelection().anchorNode);
      if (text !== last && !chosen) {
        last = text;
        const style = plain();
        terminal.replaceChildren(
          ...text
            .replace(/\n$/, "")
            .split("\n")
            .map((line) => make("div", {}, ...nodes(line, style))),
        );
        terminal.setAttribute("aria-label", `Screen: ${terminal.textContent.slice(0, 2000)}`);
      }
    } catch (error) {
      // The last picture is what one wants to see of one that has ended.
      over = error instanceof Refused && error.status < 500;
      if (over)
        terminal.append(
          make(
            "div",
            { class: "note" },
            last === null ? `There is no screen: ${error.message}` : "It has ended; this was its last screen.",
          ),
        );
    }
    if (!over) timer = setTimeout(look, LOOK);
  };
  if (over)
    terminal.append(
      make("div", { class: "note" }, "It has ended, and its screen with it. The log has what it printed."),
    );
  else look();
  return {
    elements: over ? [terminal] : [terminal, typing(instance)],
    end() {
      over = true;
      clearTimeout(timer);
    },
  };
}

function detailsTab(one) {
  const list = make("dl", { class: "details" });
  fillDetails(list, one);
  return { elements: [list], end() {} };
}

/** Only what differs is written: what is selected stays so. */
function fillDetails(list, one) {
  const ended = one.status === "stopped";
  const rows = [
    ["Status", one.status],
    ["Command", one.command],
    ["Directory", one.cwd],
    ["Project", `${one.projectRoot} (${one.detectedType})`],
    ["Branch", one.branch],
    ["Ports", one.ports?.join(", ")],
    ["Address", one.url],
    ["Process", one.childPid],
    ["Keeper", ended ? null : one.pid],
    ["Started", new Date(one.startTime).toLocaleString()],
    [ended ? "Ran" : "Up", duration(uptime(one))],
    ["Ended", one.endTime && new Date(one.endTime).toLocaleString()],
    ["Exit code", one.exitCode],
    ["Signal", one.signal],
    ["CPU", one.cpu == null ? null : `${one.cpu.toFixed(1)} %`],
    ["Memory", one.memory == null ? null : bytes(one.memory)],
    ["Streams", one.mode],
    ["Run", one.runId],
    ["Restart needed", one.restartNeeded ? "yes: what it was configured by has changed" : "no"],
    ["Log", one.logPath],
    ["Id", one.instanceId],
  ];
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (shown.map(([name]) => name).join() !== [...list.querySelectorAll("dt")].map((term) => term.textContent).join()) {
    list.replaceChildren(...shown.flatMap(([name]) => [make("dt", {}, name), make("dd")]));
  }
  const values = list.querySelectorAll("dd");
  shown.forEach(([, value], at) => say(values[at], visible(value)));
}
