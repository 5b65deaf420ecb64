// The page: who is signed in, which board is chosen, and what is shown of it.

import * as api from "./api.js";
import * as table from "./table.js";
import { ago, day, number } from "./words.js";

const $ = (id) => document.getElementById(id);
const pageSize = 25;
const neighbours = 7; // shown on each side of a user
const boards = "v3.1/leaderboards/targetGroups";

let scope = {}; // headers that say whose boards are asked for
let groups = []; // the target groups, each with its organisation
let chosen = {}; // group, target and period; without a period it is the running one
let offset = 0; // the page shown
let found = null; // the user whose neighbours are shown in its place
let latest = null; // the answer shown
let clockAhead = 0; // how far the service's clock is ahead of this one's, in ms
let watching = new AbortController();

// ---- signing in

$("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refusal").hidden = true;
  try {
    await api.signIn($("id").value, $("secret").value);
    $("sign-in").reset();
    await begin();
  } catch (problem) {
    askToSignIn(problem.message);
  }
});

$("sign-out").addEventListener("click", () => {
  api.signOut();
  askToSignIn();
});

function askToSignIn(why) {
  watching.abort();
  table.clear();
  latest = null;
  live("off", "");
  $("board").hidden = $("who").hidden = true;
  $("sign-in").hidden = false;
  $("refusal").hidden = !why;
  $("refusal").textContent = why ?? "";
  $("id").focus();
}

// ---- choosing a board

// begin shows the boards that the client may see: also those of child organisations,
// where the service tells of all at once.
async function begin() {
  let listed;
  scope = { "DATA-SCOPE": "ALL" };
  try {
    listed = (await api.ask(boards, scope)).data;
  } catch (problem) {
    if (!(problem instanceof api.Refusal) || problem.status !== 400) throw problem;
    scope = {};
    listed = (await api.ask(boards, scope)).data;
  }
  groups = listed.orgs.flatMap((org) => org.targetGroups.filter((g) => g.targets.length && g.periods.length).map((g) => ({ ...g, org })));
  $("sign-in").hidden = true;
  $("board").hidden = $("who").hidden = false;
  $("client").textContent = api.client();
  if (groups.length === 0) {
    notice("There is no board for this client yet.");
    return;
  }
  const wanted = new URLSearchParams(location.hash.slice(1));
  const current = groups.find((g) => g.targetGroupId === Number(wanted.get("group"))) ?? groups.find((g) => g.periods.some((p) => p.running)) ?? groups[0];
  chosen = { group: current, target: Number(wanted.get("target")), period: Number(wanted.get("period")) };
  const orgs = listed.orgs.filter((org) => groups.some((g) => g.org === org));
  $("group").replaceChildren(...orgs.map((org) => {
    const options = groups.filter((g) => g.org === org).map((g) => new Option(g.targetGroupName || g.targetGroupId, g.targetGroupId));
    const group = Object.assign(document.createElement("optgroup"), { label: org.orgName || org.orgId });
    group.append(...options);
    return group;
  }));
  $("group").value = current.targetGroupId;
  fillChoices();
  watch();
}

function fillChoices() {
  const { group } = chosen;
  $("target").replaceChildren(...group.targets.map((t) => new Option(t.targetRuleName || t.targetRuleId, t.targetRuleId)));
  if (!group.targets.some((t) => t.targetRuleId === chosen.target)) chosen.target = group.targets[0].targetRuleId;
  const running = group.periods.find((p) => p.running);
  const periods = group.periods.toSorted((a, b) => b.startTimeISO.localeCompare(a.startTimeISO));
  $("period").replaceChildren(
    ...(running ? [new Option(`Now (${running.periodRefCode})`, 0)] : []),
    ...periods.map((p) => new Option(`${p.periodRefCode}, from ${day(p.startTimeISO)}`, p.periodId)),
  );
  if (!periods.some((p) => p.periodId === chosen.period)) chosen.period = running ? 0 : periods[0].periodId;
  $("target").value = chosen.target;
  $("period").value = chosen.period;
}

$("choice").addEventListener("change", (event) => {
  chosen.target = Number($("target").value);
  chosen.period = Number($("period").value);
  if (event.target === $("group")) {
    chosen = { group: groups.find((g) => g.targetGroupId === Number($("group").value)) };
    fillChoices();
  }
  const selection = new URLSearchParams({ group: chosen.group.targetGroupId, target: chosen.target });
  if (chosen.period) selection.set("period", chosen.period);
  history.replaceState(null, "", `#${selection}`);
  offset = 0;
  found = null;
  watch();
});

$("choice").addEventListener("submit", (event) => event.preventDefault());

// path is that of something about the chosen board.
function path(what, more) {
  const parameters = new URLSearchParams({ targetId: chosen.target, ...more });
  if (chosen.period) parameters.set("periodId", chosen.period);
  return `${boards}/${chosen.group.targetGroupId}${what}?${parameters}`;
}

// ---- following it

// watch follows the chosen page from now on, and comes back to it when the connection
// is lost.
async function watch() {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  table.clear();
  latest = null;
  notice("");
  live("connecting", "Connecting");
  for (let wait = 1000; !signal.aborted; wait = Math.min(2 * wait, 15_000)) {
    try {
      await api.follow(path("/stream", { pageSize, pageOffset: offset }), {
        headers: scope,
        signal,
        opened: (response) => {
          wait = 1000;
          const ahead = Date.parse(response.headers.get("Date")) - Date.now();
          clockAhead = Math.abs(ahead) > 2000 ? ahead : 0; // the header has no fractions
        },
        told: (event, answer) => hear(event, answer, signal),
      });
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401) return askToSignIn("The sign-in is over. Please sign in again.");
      if (problem instanceof api.Refusal) notice(problem.message, "stream");
      if (problem.retryAfter) wait = Math.max(wait, 1000 * problem.retryAfter);
    }
    if (signal.aborted) return;
    live("lost", "Connecting again");
    await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
  }
}

function hear(event, answer, signal) {
  if (signal.aborted) return;
  if (event === "board") {
    live("live", "Live");
    if ($("notice").dataset.about === "stream") notice("");
    if (found === null) show(answer);
    else refreshNeighbours();
  } else if (event === "unavailable") {
    live("lost", "Waiting for the boards");
    notice(answer.errors[0].message, "stream");
  }
}

function show({ pagination, data }) {
  const before = latest;
  latest = { pagination, data };
  const same = before !== null && before.data.periodId === data.periodId && before.pagination.offset === pagination.offset && before.pagination.limit === pagination.limit;
  table.show(data.rankings, { animated: same, found });
  tick();
  const { total } = pagination;
  $("title").textContent = data.targetRuleName || `Target ${data.targetRuleId}`;
  $("about").textContent = `${data.targetGroupName} · ${data.periodRefCode} · ${number(total)} ${total === 1 ? "user" : "users"}`;
  document.title = `${$("title").textContent} – leaderboard`;
  $("empty").hidden = total > 0;
  $("table").hidden = total === 0;
  $("top").hidden = found === null;
  $("pages").hidden = found !== null || total <= pageSize;
  const first = offset * pageSize + 1;
  $("range").textContent = `${number(first)}–${number(first + data.rankings.length - 1)} of ${number(total)}`;
  $("previous").disabled = offset === 0;
  $("next").disabled = (offset + 1) * pageSize >= total;
  if (same) announceLeader(before.data.rankings[0], data.rankings[0]);
}

for (const [id, step] of [["previous", -1], ["next", 1]]) {
  $(id).addEventListener("click", () => {
    offset += step;
    watch();
  });
}

// ---- one user

$("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("user").value;
  try {
    const answer = await neighboursOf(text);
    if (answer.data.rankings.length === 0) return notice(`User ${text} is not on this board.`);
    notice("");
    found = Number(text);
    table.clear();
    show(answer);
    table.reveal(found);
    const { rank } = answer.data.rankings.find((entry) => entry.userId === found);
    announce(`User ${found} has rank ${number(rank)} of ${number(answer.pagination.total)}.`);
  } catch (problem) {
    notice(problem.message);
  }
});

$("top").addEventListener("click", () => {
  found = null;
  offset = 0;
  watch();
  $("table").focus({ preventScroll: true });
});

const neighboursOf = (user) => api.ask(path(`/user/${user}`, { before: neighbours, after: neighbours }), scope);

// refreshNeighbours reads them again, once a second at most.
let refreshing = false;
async function refreshNeighbours() {
  if (refreshing) return;
  refreshing = true;
  const { signal } = watching;
  try {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const user = found;
    if (user === null || signal.aborted) return;
    const answer = await neighboursOf(user);
    if (!signal.aborted && found === user) show(answer);
  } catch {
    // the stream tells what is the matter
  } finally {
    refreshing = false;
  }
}

// ---- what is said

function live(state, text) {
  $("live").dataset.state = state;
  if ($("state").textContent === text) return;
  $("state").textContent = text;
  if (text) announce(text);
}

// notice shows a sentence until it does not hold any more: one about the stream goes when
// that tells of the board again.
function notice(text, about = "") {
  $("notice").dataset.about = about;
  $("notice").hidden = text === "";
  $("notice").textContent = text;
}

// announce tells those who listen to the page.
const announce = (text) => ($("announcer").textContent = text);

let leaderAnnounced = 0;
function announceLeader(before, now) {
  if (offset !== 0 || found !== null || !before || !now || before.userId === now.userId || Date.now() - leaderAnnounced < 10_000) return;
  leaderAnnounced = Date.now();
  announce(`User ${now.userId} leads now, with ${number(now.achievedValue)}.`);
}

function tick() {
  const now = Date.now() + clockAhead;
  const synced = latest?.data.lastSyncTimeISO;
  $("freshness").textContent = synced ? `synced ${ago(now - Date.parse(synced))}` : "";
  table.tick(now);
}

setInterval(tick, 1000);

// ---- the beginning

async function start() {
  const { client, secret } = document.body.dataset;
  try {
    if (client) await api.signIn(client, secret);
    if (api.client() === null) return askToSignIn();
    await begin();
  } catch (problem) {
    askToSignIn(problem.status === 401 ? "" : problem.message);
  }
}

start();
