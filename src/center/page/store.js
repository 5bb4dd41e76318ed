// What there is: the instances as the stream tells them, and who wants to know when that changes.

import { ask } from "./session.js";
import { listen } from "./stream.js";

const SAMPLES = 40;

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
      // What comes while the list is on its way is applied after it.
      waiting = [];
      try {
        const answer = await ask("/api/instances");
        const known = number(answer.headers.get("x-wrap-event-id"));
        const list = await answer.json();
        for (const id of [...running.keys()]) if (!list.some((one) => one.instanceId === id)) running.delete(id);
        for (const one of list) running.set(one.instanceId, one);
        tell("all");
        const late = waiting;
        waiting = null;
        for (const [name, data, id] of late) if (id === null || number(id) > known) apply(name, data);
        tell("found");
      } catch {
        waiting = null;
        tell("lost");
      }
    },
    event(name, data, id) {
      if (waiting) waiting.push([name, data, id]);
      else apply(name, data);
    },
    lost: () => tell("lost"),
  });
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
    stopped.set(data.instanceId, data);
    tell("gone", data, before);
    return;
  }
  running.set(data.instanceId, { ...before, ...data, cpu: data.cpu ?? before?.cpu ?? null, memory: data.memory ?? before?.memory ?? null });
  tell(before ? "change" : "new", running.get(data.instanceId), before);
}

/** Loads those that have ended. */
export async function loadStopped() {
  const list = await (await ask("/api/instances?all=1")).json();
  stopped.clear();
  for (const one of list) if (one.status === "stopped") stopped.set(one.instanceId, one);
  tell("all");
}

/** How long it has run, or ran, in milliseconds. */
export function uptime(instance) {
  if (instance.status === "stopped") return instance.duration ?? 0;
  const since = instance.runId > 1 && instance.childPidStartTime ? instance.childPidStartTime : Date.parse(instance.startTime);
  return Date.now() - since;
}
