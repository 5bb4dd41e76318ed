// A log as it is written: in colour, searched, paused, copied.

import { make, say, visible } from "./dom.js";
import { nodes } from "./ansi.js";
import { askOf, Refused } from "./session.js";
import { listen } from "./stream.js";
import { toast } from "./notices.js";

// A page with more lines gets slow; the file has them all.
const MOST = 5000;
// So many are drawn in one picture; of a flood that is faster only the last.
const AT_ONCE = 400;
const NEAR = 40;

/** A view of the log of an instance: its elements, and what ends it. */
export function logView(instance) {
  const terminal = make("div", {
    class: "terminal",
    role: "log",
    "aria-live": "off",
    "aria-label": "Log",
    tabIndex: 0,
  });
  const search = make("input", {
    type: "search",
    placeholder: "Search what is shown",
    "aria-label": "Search the lines that are shown",
    spellcheck: false,
  });
  const matches = make("span", { class: "matches", role: "status" });
  const pause = make("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const end = make("button", { type: "button" }, "Jump to end");
  const times = make("button", { type: "button", "aria-pressed": "false" }, "Times");
  const copy = make("button", { type: "button", title: "Copies what is selected, else what is shown" }, "Copy");
  const save = make("button", { type: "button", title: "The whole log, as text" }, "Download");
  const bar = make("div", { class: "bar" }, search, matches, pause, end, times, copy, save);
  // What has no end yet stands last, and is replaced as it grows.
  const begun = make("div", { class: "begun" });
  let paused = false;
  let queue = [];
  let drawing = false;
  let left = 0;
  let hits = [];
  let now = null;
  let following = true;

  const follow = () => {
    terminal.scrollTop = terminal.scrollHeight;
  };
  terminal.addEventListener("scroll", () => {
    following = terminal.scrollHeight - terminal.scrollTop - terminal.clientHeight < NEAR;
  });

  const row = ({ time, stream, line }) =>
    make(
      "div",
      { class: stream === "err" ? "err" : undefined },
      make("time", { dateTime: time }, new Date(time).toLocaleTimeString()),
      ...nodes(line),
    );

  function add(lines) {
    queue.push(...lines);
    if (queue.length > MOST) {
      left += queue.length - MOST;
      queue = queue.slice(-MOST);
    }
    if (paused) say(pause, `Resume (${left + queue.length} new)`);
    else plan();
  }

  // Once a picture: a flood is drawn as far as somebody could read it.
  function plan() {
    if (drawing) return;
    drawing = true;
    if (document.hidden) setTimeout(draw, 200);
    else requestAnimationFrame(draw);
  }

  function draw() {
    drawing = false;
    if (paused) return;
    if (queue.length > AT_ONCE) {
      left += queue.length - AT_ONCE;
      queue = queue.slice(-AT_ONCE);
    }
    const made = document.createDocumentFragment();
    if (left)
      made.append(make("div", { class: "note" }, `… ${left} lines came too fast to be shown; Download has them`));
    left = 0;
    const rows = queue.map(row);
    queue = [];
    made.append(...rows);
    begun.before(made);
    while (terminal.childElementCount > MOST) terminal.firstElementChild.remove();
    if (search.value) find(rows);
    if (following) follow();
  }

  const note = (text) => {
    begun.before(make("div", { class: "note" }, text));
    if (following) follow();
  };
  const words = (line) =>
    [...line.childNodes]
      .filter((node) => node.nodeName !== "TIME")
      .map((node) => node.textContent)
      .join("");

  /** Looks through these lines, or through all where what is wanted is another. */
  function find(lines) {
    const wanted = search.value.toLowerCase();
    if (!lines) {
      hits.forEach((line) => line.classList.remove("hit", "now"));
      hits = [];
      now = null;
    }
    for (const line of wanted ? (lines ?? terminal.children) : []) {
      if (words(line).toLowerCase().includes(wanted)) {
        line.classList.add("hit");
        hits.push(line);
      }
    }
    hits = hits.filter((line) => line.isConnected);
    if (lines) tell();
    else step(-1);
  }

  function tell() {
    say(matches, !search.value ? "" : hits.length ? `${hits.indexOf(now) + 1} of ${hits.length}` : "not shown");
  }

  function step(by) {
    now?.classList.remove("now");
    const at = hits.indexOf(now);
    now = hits.length ? hits[at < 0 ? hits.length - 1 : (at + by + hits.length) % hits.length] : null;
    now?.classList.add("now");
    now?.scrollIntoView({ block: "center" });
    tell();
  }

  search.addEventListener("input", () => find());
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      step(event.shiftKey ? 1 : -1);
    }
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    say(pause, paused ? "Resume" : "Pause");
    if (!paused) plan();
  });
  end.addEventListener("click", () => {
    following = true;
    if (paused) pause.click();
    follow();
  });
  times.addEventListener("click", () => times.setAttribute("aria-pressed", terminal.classList.toggle("times")));
  copy.addEventListener("click", async () => {
    const chosen = String(getSelection());
    const all = () => [...terminal.children].map(words).join("\n") + "\n";
    await navigator.clipboard.writeText(chosen && terminal.contains(getSelection().anchorNode) ? chosen : all());
    say(copy, "Copied");
    setTimeout(() => say(copy, "Copy"), 1500);
  });
  save.addEventListener("click", async () => {
    try {
      const url = URL.createObjectURL(await (await askOf(instance.instanceId, "logs/text")).blob());
      make("a", {
        href: url,
        download: `${instance.projectName.replace(/[^\w.-]+/g, "_")}-${instance.instanceId.slice(-6)}.log`,
      }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    } catch (error) {
      toast(`Cannot download the log: ${error.message}`, true);
    }
  });

  const clear = () => {
    queue = [];
    left = 0;
    hits = [];
    now = null;
    begun.replaceChildren();
    terminal.replaceChildren(begun);
  };
  let shown = false;
  const stop = listen(`/api/instances/${instance.instanceId}/logs/stream`, {
    // After a lost connection it is read anew: what was shown would come twice.
    open() {
      clear();
      shown = false;
    },
    event(name, data) {
      if (name === "log-lines") {
        shown = true;
        begun.replaceChildren();
        add(data);
      } else if (name === "log-begun") {
        begun.replaceChildren(...data.flatMap(({ line }) => nodes(line)));
        if (following && !paused) follow();
      } else if (name === "log-ended") {
        stop();
        setTimeout(() => note(data ? `This is all: ${data}.` : shown ? "It has ended." : "Nothing is logged of it."));
      } else if (name === "log-failed") {
        stop();
        note(`The log cannot be read: ${visible(data)}`);
      }
    },
    lost(error) {
      if (!(error instanceof Refused)) return false;
      clear();
      note(error.status === 404 ? "There is no log of it." : `${error.message} Trying again…`);
      return error.status === 404;
    },
  });
  clear();
  return { elements: [bar, terminal], clear, end: stop };
}
