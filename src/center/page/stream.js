// EventSource over fetch: that of the browser cannot show a token.

import { ask, Refused } from "./session.js";

const SLOWEST = 10_000;

/** Reads events until it is closed. Calls `on.open()`, `on.event(name, data, id)`, `on.lost()`; connects again by itself
 * unless `once`. Returns what closes it. */
export function listen(path, on, { once = false } = {}) {
  const abort = new AbortController();
  let last = null;
  (async () => {
    for (let pause = 250; !abort.signal.aborted; pause = Math.min(pause * 2, SLOWEST)) {
      try {
        const headers = last === null ? {} : { "Last-Event-ID": last };
        const answer = await ask(path, { headers, signal: abort.signal });
        on.open?.();
        pause = 250;
        last = await read(answer.body, on, last);
      } catch (error) {
        if (abort.signal.aborted || (error instanceof Refused && error.status === 401)) return;
        if (error instanceof Refused && once) return on.failed?.(error.message);
      }
      if (abort.signal.aborted || once) return;
      on.lost?.();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  })();
  return () => abort.abort();
}

async function read(body, on, last) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let id = last;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return id;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = { name: "message", data: "", id: null };
        for (const line of text.slice(0, end).split("\n")) {
          if (line.startsWith("event: ")) event.name = line.slice(7);
          else if (line.startsWith("data: ")) event.data += line.slice(6);
          else if (line.startsWith("id: ")) event.id = line.slice(4);
        }
        text = text.slice(end + 2);
        id = event.id ?? id;
        if (event.data) on.event(event.name, JSON.parse(event.data), event.id);
      }
    }
  } catch (error) {
    // A connection that breaks off is an end like another.
    if (error instanceof SyntaxError) throw error;
    return id;
  }
}
