// A log as it is written: in colour, searched, paused, copied.

import { make, say } from "./dom.js";
import { nodes } from "./ansi.js";
import { listen } from "./stream.js";

// A page with more lines gets slow; the file has them all.
const MOST = 5000;
const NEAR = 40;

/** A view of the log of an instance: its elements, and what ends it. */
export function logView(instance) {
  const terminal = make("div", { class: "terminal", role: "log", "aria-label": "Log", tabIndex: 0 });
  const search = make("input", { type: "search", placeholder: "Search the log", "aria-label": "Search the log", spellcheck: false });
  const matches = make("span", { class: "matches", role: "status" });
  const pause = make("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const end = make("button", { type: "button" }, "Jump to end");
  const times = make("button", { type: "button", "aria-pressed": "false" }, "Times");
  const copy = make("button", { type: "button" }, "Copy");
  const save = make("button", { type: "button" }, "Download");
  const bar = make("div", { class: "bar" }, search, matches, pause, end, times, copy, save);
  let paused = false;
  let held = [];
  let hits = [];
  let now = -1;
  let following = true;

  const follow = () => { terminal.scrollTop = terminal.scrollHeight; };
  terminal.addEventListener("scroll", () => { following = terminal.scrollHeight - terminal.scrollTop - terminal.clientHeight < NEAR; });

  function add(lines) {
    if (paused) {
      held.push(...lines);
      if (held.length > MOST) held = held.slice(-MOST);
      say(pause, `Resume (${held.length} new)`);
      return;
    }
    const made = document.createDocumentFragment();
    for (const { time, stream, line } of lines) {
      made.append(make("div", { class: stream === "err" ? "err" : undefined },
        make("time", { dateTime: time }, new Date(time).toLocaleTimeString()), ...nodes(line)));
    }
    terminal.append(made);
    while (terminal.childElementCount > MOST) terminal.firstElementChild.remove();
    if (search.value) find(false);
    if (following) follow();
  }

  const note = (text) => { terminal.append(make("div", { class: "note" }, text)); if (following) follow(); };
  const words = (line) => [...line.childNodes].slice(1).map((node) => node.textContent).join("");

  function find(jump = true) {
    const wanted = search.value.toLowerCase();
    hits = [];
    for (const line of terminal.children) {
      const hit = wanted !== "" && words(line).toLowerCase().includes(wanted);
      line.classList.toggle("hit", hit);
      line.classList.remove("now");
      if (hit) hits.push(line);
    }
    if (jump) now = hits.length - 1;
    step(0, jump);
  }

  function step(by, jump = true) {
    hits[now]?.classList.remove("now");
    if (hits.length) now = (now + by + hits.length) % hits.length;
    say(matches, search.value ? (hits.length ? `${now + 1} of ${hits.length}` : "not found") : "");
    if (!hits.length || !jump) return;
    hits[now].classList.add("now");
    hits[now].scrollIntoView({ block: "center" });
  }

  search.addEventListener("input", () => find());
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? 1 : -1); } });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    say(pause, paused ? "Resume" : "Pause");
    if (!paused) add(held.splice(0));
  });
  end.addEventListener("click", () => { following = true; if (paused) pause.click(); follow(); });
  times.addEventListener("click", () => times.setAttribute("aria-pressed", terminal.classList.toggle("times")));
  const text = () => [...terminal.children].map(words).join("\n") + "\n";
  copy.addEventListener("click", async () => {
    const chosen = String(getSelection());
    await navigator.clipboard.writeText(chosen && terminal.contains(getSelection().anchorNode) ? chosen : text());
    say(copy, "Copied");
    setTimeout(() => say(copy, "Copy"), 1500);
  });
  save.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
    make("a", { href: url, download: `${instance.projectName.replace(/[^\w.-]+/g, "_")}-${instance.instanceId.slice(-6)}.log` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });

  let stop = () => {};
  const begin = () => {
    stop = listen(`/api/instances/${instance.instanceId}/logs/stream`, {
      // After a lost connection it is read anew: what was shown would come twice.
      open() { terminal.replaceChildren(); held = []; },
      event(name, data) {
        if (name === "log-lines") add(data);
        else if (name === "log-ended") { stop(); if (!terminal.childElementCount) note("Nothing is logged of it."); else note("It has ended."); }
        else if (name === "log-failed") { stop(); note(`The log cannot be read: ${data}`); }
      },
      lost: () => {},
    });
  };
  begin();
  return { elements: [bar, terminal], search, clear: () => terminal.replaceChildren(), end: () => stop() };
}
