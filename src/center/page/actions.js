// What can be done to an instance, and what is asked before.

import { $, make, say, visible, webAddress } from "./dom.js";
import { askOf } from "./session.js";
import { find, open } from "./store.js";
import { toast } from "./notices.js";

/** Asks; true where the answer is yes. */
function confirm(title, yes, ...text) {
  const dialog = $("confirm");
  say($("confirm-title"), title);
  $("confirm-text").replaceChildren(...text);
  say($("confirm-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}

/** Does one of "open", "restart", "start", "stop", "clear"; true where it was done. */
export async function act(what, id) {
  const instance = find(id);
  if (!instance || $("confirm").open) return false;
  const name = visible(instance.projectName);
  if (what === "open") {
    const url = webAddress(instance.url);
    if (url) window.open(url, "_blank", "noopener");
    else toast(`${name} has no port that is known yet`);
    return true;
  }
  if (what === "stop") {
    const where = instance.ports?.length
      ? ` It listens on ${instance.ports.map((port) => `:${port}`).join(", ")}.`
      : "";
    const pid = instance.childPid ? ` (pid ${instance.childPid})` : "";
    const sure = await confirm(
      `Stop ${name}?`,
      "Stop",
      make("p", {}, "This ends the command", pid, " and everything that it started:"),
      make("pre", {}, visible(instance.command)),
      make("p", {}, `in ${visible(instance.cwd)}.${where}`),
    );
    if (!sure) return false;
  }
  if (
    what === "clear" &&
    !(await confirm(
      `Clear the log of ${name}?`,
      "Clear",
      make("p", {}, "What it has printed so far is removed from the disk, for good."),
    ))
  )
    return false;
  const running = { stop: "terminate", restart: "restart", start: "start", clear: "logs/clear" }[what];
  if (what !== "clear") toast(`${{ stop: "Stopping", restart: "Restarting", start: "Starting" }[what]} ${name}…`);
  try {
    const answer = await askOf(id, running, { method: "POST" });
    // Whoever looks at the old one wants to see the new one.
    if (what === "start" && open.view?.id === id) {
      const started = await answer.json();
      if (started.instanceId) location.hash = `#/i/${started.instanceId}`;
    }
    return true;
  } catch (error) {
    toast(`Cannot ${what} ${name}: ${error.message}`, true);
    return false;
  }
}

/** Types a line, or presses a key: {line} or {key}. */
export async function type(id, what) {
  try {
    const answer = await askOf(id, "input", { method: "POST", body: { id: crypto.randomUUID(), ...what } });
    if (answer.status === 202) toast("It waits: the command does not read its input yet");
    return true;
  } catch (error) {
    toast(`Cannot type: ${error.message}`, true);
    return false;
  }
}
