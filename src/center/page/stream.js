// EventSource over fetch: that of the browser cannot show a token.

import { ask, Refused } from "./session.js";

const SLOWEST = 10_000;

/** Reads events until it is closed. Calls `on.open()`, which may take its time and may fail, `on.event(name, data, id)`,
 * and `on.lost(error)`, behind which it connects again unless that returns true. Returns what closes it. */
export function listen(path, on) {
  const abort = new AbortController();
  let last = null;
  (async () => {
    for (let pause = 250; ; pause = Math.min(pause * 2, SLOWEST)) {
      let why = null;
      const connection = new AbortController();
      const { signal } = connection;
      abort.signal.addEventListener("abort", () => connection.abort(), { once: true });
      try {
        const headers = last === null ? {} : { "Last-Event-ID": last };
        const answer = await ask(path, { headers, signal });
        const opened = Promise.resolve(on.open?.()).then(
          () => {
            pause = 250;
          },
          (error) => {
            why = error;
            connection.abort();
          },
        );
        last = await read(answer.body, on, last);
        await opened;
      } catch (error) {
        why = error;
      }
      if (abort.signal.aborted || (why instanceof Refused && why.status === 401) || on.lost?.(why)) return;
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
        if (event.data) tell(on, event);
      }
    }
  } catch {
    // A connection that breaks off is an end like another.
    return id;
  }
}

/** What goes wrong with one event is no fault of the connection. */
function tell(on, { name, data, id }) {
  try {
    on.event(name, JSON.parse(data), id);
  } catch (error) {
    console.error(error);
  }
}
