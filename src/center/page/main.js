// The page: from signing in to what is shown.

import { $, make, say, visible } from "./dom.js";
import { onSignedOut, signIn } from "./session.js";
import { find, follow, loadStopped, onNews, open, running } from "./store.js";
import { draw, select, tick } from "./cards.js";
import { listenToKeys } from "./keyboard.js";
import { hasFailed, news, offer } from "./notices.js";

// Lines of what has failed.
const FAILED = 5;
const REMEMBERED = ["sort", "group"];

let loaded = false;
let lost = false;
let stop = () => {};
let came = new Set();
let planned = false;
let last = null;

// Only whoever looks at one needs it: the list is there without.
const view = () => import("./instance.js");

const one = () => /^#\/i\/([0-9a-f-]+)(?:\/(log|screen|details))?$/.exec(location.hash);

/** Which of the designed states it is in, and which sections that shows. */
function show({ signedOut = false, why = "", shown = 0, searched = false } = {}) {
  const state = signedOut ? "signedout" : !loaded ? "loading" : lost ? "lost" : "live";
  document.body.dataset.state = state;
  const list = loaded && !signedOut && !one();
  $("loading").hidden = signedOut || loaded;
  $("signedout").hidden = !signedOut;
  say($("why"), why);
  $("lost").hidden = state !== "lost";
  $("tools").hidden = signedOut || Boolean(one());
  $("failed").hidden = !list;
  $("list").hidden = !list || !shown;
  $("empty").hidden = !list || shown > 0 || searched;
  $("none").hidden = !list || shown > 0 || !searched;
  const what = $("filter").value === "stopped" ? "has ended" : "runs";
  say(
    $("none-text"),
    $("search").value
      ? `Nothing that ${what} has “${$("search").value}” in its name, command, port or path.`
      : `Nothing that ${what} is ${$("filter").value}.`,
  );
}

function count() {
  const number = running.size;
  const looked = one() && find(one()[1]);
  document.title = !loaded ? "wrap" : looked ? `${visible(looked.projectName)} – wrap` : `(${number}) wrap`;
  say($("count"), !loaded ? "…" : number === 1 ? "1 running" : `${number} running`);
}

function redraw() {
  planned = false;
  const fresh = came;
  came = new Set();
  show(draw(fresh));
}

/** Once for all that happens before the next picture. */
function plan() {
  if (planned) return;
  planned = true;
  // A page that nobody sees gets no pictures.
  if (document.hidden) setTimeout(redraw, 200);
  else requestAnimationFrame(redraw);
}

function route() {
  const found = one();
  const before = last;
  if (found && loaded)
    view().then(async ({ connect }) => {
      if (one()?.[1] !== found[1]) return;
      await connect(found[1], found[2]);
      count();
    });
  else if (!found) {
    if (open.view) view().then(({ leave }) => leave());
    if (before) queueMicrotask(() => select(before));
  }
  last = found?.[1] ?? null;
  count();
  redraw();
}

/** Who was away is to see what has failed meanwhile. */
function failed(instance) {
  const dismiss = make("button", { type: "button", "aria-label": "Dismiss", click: () => line.remove() }, "✕");
  const how = instance.signal
    ? `was ended by ${instance.signal}`
    : instance.exitCode
      ? `exited with ${instance.exitCode}`
      : "is gone";
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const line = make(
    "li",
    {},
    `${time} `,
    make("b", {}, visible(instance.projectName)),
    ` ${how} `,
    make("a", { href: `#/i/${instance.instanceId}` }, "Log"),
    dismiss,
  );
  $("failed").prepend(line);
  while ($("failed").childElementCount > FAILED) $("failed").lastElementChild.remove();
}

function signedOut(why) {
  stop();
  if (open.view) view().then(({ leave }) => leave());
  loaded = false;
  count();
  show({ signedOut: true, why });
}

onNews((kind, instance, before) => {
  if (kind === "usage") {
    if (["cpu", "memory"].includes($("sort").value)) plan();
    else if (!document.hidden) tick();
    return;
  }
  if (kind === "lost") {
    lost = true;
    if (loaded) plan();
    return;
  }
  if (kind === "found" || kind === "all") {
    const first = !loaded;
    loaded = true;
    lost = false;
    count();
    if (first) {
      route();
      // Behind the picture that shows them: how long that takes is held by a test.
      requestAnimationFrame(() => setTimeout(() => performance.mark("drawn")));
    }
  }
  if (kind === "new") came.add(instance.instanceId);
  if (instance && loaded) news(kind, instance, before);
  if (kind === "gone" && hasFailed(instance, before)) failed(instance);
  count();
  plan();
});

async function begin() {
  if (loaded) redraw();
  else show();
  try {
    await signIn();
  } catch (error) {
    signedOut(error.message ?? "");
    return;
  }
  stop();
  stop = follow();
  offer();
}

onSignedOut(signedOut);
listenToKeys();
for (const [id, kind] of [
  ["search", "input"],
  ["sort", "change"],
  ["group", "change"],
])
  $(id).addEventListener(kind, plan);
// How one likes to see them, for this tab.
for (const id of REMEMBERED) {
  const field = $(id);
  const of = field.type === "checkbox" ? "checked" : "value";
  const kept = sessionStorage.getItem(`wrap-${id}`);
  if (kept !== null) field[of] = of === "checked" ? kept === "true" : kept;
  field.addEventListener("change", () => sessionStorage.setItem(`wrap-${id}`, field[of]));
}
$("filter").addEventListener("change", () => {
  if ($("filter").value === "stopped") loadStopped().catch(() => {});
  plan();
});
$("reset").addEventListener("click", () => {
  $("search").value = "";
  $("filter").value = "";
  plan();
});
// Another link of `wrap ui` in this very tab, or another place in the page.
window.addEventListener("hashchange", () => (location.hash.startsWith("#code=") ? begin() : route()));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && loaded) redraw();
});
setInterval(() => {
  if (!document.hidden && loaded) tick();
}, 1000);
begin();
