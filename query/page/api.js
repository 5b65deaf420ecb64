// The API, called as the client who has signed in.
//
// The secret is kept in memory, to get another token when one has expired. The token,
// which lasts an hour, is kept for this tab, so that the page can be loaded again.

const stored = "leaderboard.session";

let session = JSON.parse(sessionStorage.getItem(stored)); // {client, token}, null for nobody
let secret = null;

// Refusal is an answer that is an error.
export class Refusal extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

export const client = () => session?.client ?? null;

export async function signIn(id, givenSecret) {
  const { data } = await read(await send("v3/oauth/token/generate", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key: id, secret: givenSecret }),
  }));
  session = { client: id, token: data.accessToken };
  secret = givenSecret;
  sessionStorage.setItem(stored, JSON.stringify(session));
}

export function signOut() {
  session = secret = null;
  sessionStorage.removeItem(stored);
}

// ask asks as the client and gives the answer.
export async function ask(path, headers) {
  return read(await authorized(path, headers));
}

// follow reads a stream and hands over its events, until it ends.
export async function follow(path, { headers, signal, opened, told }) {
  const silence = new AbortController();
  const response = await authorized(path, headers, AbortSignal.any([signal, silence.signal]));
  if (!response.ok) await read(response);
  opened(response);
  // The service says something at least every 15 s. Where nothing comes the connection
  // is dead, as after a sleep.
  const limit = 40_000;
  let timer = setTimeout(() => silence.abort(), limit);
  try {
    for await (const event of events(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), limit);
      if (event.data) told(event.name, JSON.parse(event.data));
    }
  } finally {
    clearTimeout(timer);
  }
}

// events takes a stream of server-sent events apart. One without data is a sign of life.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const event = { name: "message", data: "" };
      for (const line of part.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      yield event;
    }
  }
}

// authorized sends the request as the client, with another token when the one there is
// has expired and the secret is known.
async function authorized(path, headers, signal) {
  const attempt = () => send(path, { headers: { ...headers, Authorization: `Bearer ${session?.token}` }, signal });
  const response = await attempt();
  if (response.status !== 401 || secret === null) return response;
  await signIn(session.client, secret);
  return attempt();
}

const send = (path, options) => fetch(new URL(path, document.baseURI), { cache: "no-store", credentials: "omit", ...options });

async function read(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const { code, message } = body.errors?.[0] ?? {};
  throw new Refusal(response.status, code, message ?? `The service answered ${response.status}.`, Number(response.headers.get("Retry-After")));
}
