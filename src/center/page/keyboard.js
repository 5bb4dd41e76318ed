// Everything by keys, as in a pager: told by `?`.

import { $, make } from "./dom.js";
import { act } from "./actions.js";
import { chosen, move } from "./cards.js";
import { open } from "./store.js";

const here = () => open.view?.id ?? chosen();
const go = (id, tab) => {
  if (id) location.hash = `#/i/${id}${tab ? `/${tab}` : ""}`;
};
const inList = () => !open.view;
const chosenOne = () => Boolean(here());

// Keys, what they are for, what they do, and when they mean that at all.
const KEYS = [
  [["/"], "Search", () => (open.view ? document.querySelector(".bar input[type=search]") : $("search"))?.focus()],
  [["j", "ArrowDown"], "Next card", () => move(1), inList],
  [["k", "ArrowUp"], "Card before", () => move(-1), inList],
  [["Enter"], "Connect", () => go(chosen()), inList],
  [["l"], "Log", () => (open.view ? open.view.choose("log") : go(chosen())), chosenOne],
  [["v"], "Screen", () => (open.view ? open.view.choose("screen") : go(chosen(), "screen")), chosenOne],
  [["d"], "Details", () => (open.view ? open.view.choose("details") : go(chosen(), "details")), chosenOne],
  [["i"], "Type a line", () => document.querySelector(".type input")?.focus(), () => Boolean(open.view)],
  [["o"], "Open in browser", () => act("open", here()), chosenOne],
  [["r"], "Restart", () => act("restart", here()), chosenOne],
  [["s"], "Stop", () => act("stop", here()), chosenOne],
  [["a"], "Start one that has ended", () => act("start", here()), chosenOne],
  [["g"], "Group by project", () => $("group").click(), inList],
  [["?"], "This help", () => $("keys").showModal()],
  [
    ["Escape"],
    "Back",
    () => {
      location.hash = "#/";
    },
    () => Boolean(open.view),
  ],
];

export function listenToKeys() {
  for (const [keys, what] of KEYS)
    $("keys-list").append(make("dt", {}, make("kbd", {}, keys[0])), make("dd", {}, what));
  $("help").addEventListener("click", () => $("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (field) {
      if (event.key === "Enter" && field.id === "search") move(1);
      if (event.key === "Escape") {
        if (field.type === "search" && field.value) {
          field.value = "";
          field.dispatchEvent(new Event("input"));
        }
        field.blur();
        event.preventDefault();
      }
      return;
    }
    // Where a key has a meaning of its own: a button that is pressed, a tab that is changed, a text that is scrolled.
    if (event.key === "Enter" && event.target.closest("button, a")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("[role=tablist], .terminal")) return;
    const found = KEYS.find(([keys]) => keys.includes(event.key));
    if (!found || document.body.dataset.state === "signedout" || !(found[3]?.() ?? true)) return;
    event.preventDefault();
    found[2]();
  });
}
