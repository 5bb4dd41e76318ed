// The page: from signing in to what is shown.

import { $, say } from "./dom.js";
import { onSignedOut, signIn } from "./session.js";
import { follow, loadStopped, onNews, open, running } from "./store.js";
import { draw, select, tick } from "./cards.js";
import { listenToKeys } from "./keyboard.js";
import { news, offer } from "./notices.js";

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
  $("list").hidden = !list || !shown;
  $("empty").hidden = !list || shown > 0 || searched;
  $("none").hidden = !list || shown > 0 || !searched;
  const what = $("filter").value === "stopped" ? "has ended" : "runs";
  say($("none-text"), $("search").value ? `Nothing that ${what} has “${$("search").value}” in its name, command, port or path.` : `Nothing that ${what} is ${$("filter").value}.`);
}

function count() {
  const number = running.size;
  document.title = loaded ? `(${number}) wrap` : "wrap";
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
  if (found && loaded) view().then(({ connect }) => one()?.[1] === found[1] && connect(found[1], found[2]));
  else if (!found) { if (open.view) view().then(({ leave }) => leave()); if (before) queueMicrotask(() => select(before)); }
  last = found?.[1] ?? null;
  redraw();
}

function signedOut(why) {
  stop();
  if (open.view) view().then(({ leave }) => leave());
  loaded = false;
  count();
  show({ signedOut: true, why });
}

onNews((kind, instance, before) => {
  if (kind === "usage") { if (!document.hidden) tick(); return; }
  if (kind === "lost") { lost = true; if (loaded) plan(); return; }
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
  count();
  plan();
});

async function begin() {
  show();
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
for (const [id, kind] of [["search", "input"], ["sort", "change"], ["group", "change"]]) $(id).addEventListener(kind, plan);
$("filter").addEventListener("change", () => { if ($("filter").value === "stopped") loadStopped().catch(() => {}); plan(); });
$("reset").addEventListener("click", () => { $("search").value = ""; $("filter").value = ""; plan(); });
// Another link of `wrap ui` in this very tab, or another place in the page.
window.addEventListener("hashchange", () => (location.hash.startsWith("#code=") ? begin() : route()));
document.addEventListener("visibilitychange", () => { if (!document.hidden && loaded) redraw(); });
setInterval(() => { if (!document.hidden && loaded) tick(); }, 1000);
begin();
