// Everything by keys, as in a pager: told by `?`.

import { $, make } from "./dom.js";
import { act } from "./actions.js";
import { chosen, move } from "./cards.js";
import { open } from "./store.js";

const here = () => open.view?.id ?? chosen();
const go = (id, tab) => { if (id) location.hash = `#/i/${id}${tab ? `/${tab}` : ""}`; };
const inList = (then) => () => { if (!open.view) then(); };

const KEYS = [
  [["/"], "Search", () => (open.view ? document.querySelector(".bar input[type=search]") : $("search"))?.focus()],
  [["j", "ArrowDown"], "Next card", inList(() => move(1))],
  [["k", "ArrowUp"], "Card before", inList(() => move(-1))],
  [["Enter"], "Connect", inList(() => go(chosen()))],
  [["l"], "Log", () => (open.view ? open.view.choose("log") : go(chosen()))],
  [["v"], "Screen", () => (open.view ? open.view.choose("screen") : go(chosen(), "screen"))],
  [["d"], "Details", () => (open.view ? open.view.choose("details") : go(chosen(), "details"))],
  [["i"], "Type a line", () => document.querySelector(".type input")?.focus()],
  [["o"], "Open in browser", () => act("open", here())],
  [["r"], "Restart", () => act("restart", here())],
  [["s"], "Stop", () => act("stop", here())],
  [["a"], "Start one that has ended", () => act("start", here())],
  [["g"], "Group by project", inList(() => $("group").click())],
  [["?"], "This help", () => $("keys").showModal()],
  [["Escape"], "Back", () => { if (open.view) location.hash = "#/"; }],
];

export function listenToKeys() {
  for (const [keys, what] of KEYS) $("keys-list").append(make("dt", {}, make("kbd", {}, keys[0])), make("dd", {}, what));
  $("help").addEventListener("click", () => $("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (field) {
      if (event.key === "Escape") { if (field.type === "search" && field.value) { field.value = ""; field.dispatchEvent(new Event("input")); } field.blur(); event.preventDefault(); }
      return;
    }
    // Where a key has a meaning of its own: a button that is pressed, a tab that is changed, a text that is scrolled.
    if (event.key === "Enter" && event.target.closest("button, a")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("[role=tablist], .terminal")) return;
    const found = KEYS.find(([keys]) => keys.includes(event.key));
    if (!found || document.body.dataset.state === "signedout") return;
    event.preventDefault();
    found[2]();
  });
}
