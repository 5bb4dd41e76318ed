// Who we are: the token, kept for this tab alone, and every request that shows it.
// No cookie: cookies ignore ports, and every dev server on this machine would be sent it.

const KEY = "wrap-token";
let signedOut = () => {};

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Calls back when the token is missing, or is that of another center. */
export const onSignedOut = (callback) => {
  signedOut = callback;
};

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

/** Takes the code out of the address, and the token for it. */
export async function signIn() {
  const code = /^#code=([0-9a-f]+)$/.exec(location.hash)?.[1];
  if (code) {
    history.replaceState(null, "", "/#/");
    const answer = await fetch("/api/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) sessionStorage.setItem(KEY, body.token);
    else if (!hasToken()) throw new Refused(answer.status, body.error ?? "");
  }
  if (!hasToken()) throw new Refused(401, "");
}

/** The answer to a request; throws Refused with the server's own sentence. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(path, {
    method,
    signal,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}`, ...json, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    signedOut("The control center is another one than when you signed in.");
  }
  throw new Refused(answer.status, said.error ?? said.message ?? `the answer was ${answer.status}`);
}

/** The same for one instance. */
export const askOf = (id, what, options) =>
  ask(`/api/instances/${encodeURIComponent(id)}${what ? `/${what}` : ""}`, options);
