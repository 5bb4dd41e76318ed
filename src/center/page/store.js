// What there is: the instances as the stream tells them, and who wants to know when that changes.

import { ask, askOf, Refused } from "./session.js";
import { listen } from "./stream.js";

const SAMPLES = 40;
// As many as the history has.
const ENDED = 50;

export const running = new Map();
export const stopped = new Map();
/** The view of one instance, while there is one. */
export const open = { view: null };
const samples = new Map();
const listeners = new Set();

/** Calls back with the kind of news ("all", "new", "change", "gone", "usage", "lost", "found") and the instance. */
export const onNews = (listener) => listeners.add(listener);
const tell = (kind, instance, before) => listeners.forEach((listener) => listener(kind, instance, before));

/** The last CPU readings of an instance. */
export const cpuOf = (id) => samples.get(id) ?? [];
export const find = (id) => running.get(id) ?? stopped.get(id);

/** Connects, loads what there is, and follows. */
export function follow() {
  let waiting = null;
  return listen("/stream", {
    async open() {
      // What comes while the list is on its way is applied after it; that of an older connection is of no use.
      const mine = [];
      waiting = mine;
      const answer = await ask("/api/instances");
      const known = number(answer.headers.get("x-wrap-event-id"));
      const list = await answer.json();
      if (waiting !== mine) return;
      const ended = [...running.values()].filter((one) => !list.some((other) => other.instanceId === one.instanceId));
      for (const one of list) running.set(one.instanceId, one);
      waiting = null;
      tell("all");
      for (const one of ended) await applyEnd(one.instanceId);
      for (const [name, data, id] of mine) if (id === null || number(id) > known) apply(name, data);
      tell("found");
    },
    event(name, data, id) {
      if (waiting) waiting.push([name, data, id]);
      else apply(name, data);
    },
    lost() {
      waiting = null;
      tell("lost");
    },
  });
}

/** What has ended while nobody told us. */
async function applyEnd(id) {
  const past = await load(id);
  apply("instance-gone", past ?? { ...running.get(id), status: "stopped" });
}

/** An instance that is not on the page yet, also one that has ended; null where there is none. */
export async function load(id) {
  try {
    const one = await (await askOf(id)).json();
    if (one.status === "stopped") keep(one);
    return one;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

function keep(one) {
  stopped.delete(one.instanceId);
  stopped.set(one.instanceId, one);
  if (stopped.size > ENDED) stopped.delete(stopped.keys().next().value);
}

const number = (id) => Number(String(id ?? "").split("-")[1] ?? 0);

function apply(name, data) {
  if (name === "instance-usage") {
    for (const [id, cpu, memory] of data) {
      const instance = running.get(id);
      if (!instance) continue;
      Object.assign(instance, { cpu, memory });
      const seen = samples.get(id) ?? [];
      seen.push(cpu);
      if (seen.length > SAMPLES) seen.shift();
      samples.set(id, seen);
    }
    tell("usage");
    return;
  }
  const before = running.get(data.instanceId);
  if (name === "instance-gone") {
    running.delete(data.instanceId);
    samples.delete(data.instanceId);
    keep(data);
    if (before) tell("gone", data, before);
    return;
  }
  running.set(data.instanceId, {
    ...before,
    ...data,
    cpu: data.cpu ?? before?.cpu ?? null,
    memory: data.memory ?? before?.memory ?? null,
  });
  tell(before ? "change" : "new", running.get(data.instanceId), before);
}

/** Loads those that have ended. */
export async function loadStopped() {
  const list = await (await ask("/api/instances?all=1")).json();
  stopped.clear();
  for (const one of list.reverse()) if (one.status === "stopped") keep(one);
  tell("all");
}

/** How long it has run, or ran, in milliseconds. */
export function uptime(instance) {
  if (instance.status === "stopped") return instance.duration ?? 0;
  const since =
    instance.runId > 1 && instance.childPidStartTime ? instance.childPidStartTime : Date.parse(instance.startTime);
  return Date.now() - since;
}
