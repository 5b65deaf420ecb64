// The rows of the board. A user's row stays the same element wherever the user goes, so
// that it can be seen to move.

import { ago, decimals, number } from "./words.js";

const rows = document.getElementById("rows");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const byUser = new Map();

// show brings the rankings of an answer into the table. What changed is animated when it
// is the same part of the board that was shown before.
export function show(rankings, { animated, found }) {
  const before = new Map([...byUser].map(([user, row]) => [user, row.getBoundingClientRect().top]));
  const focused = document.activeElement;
  const users = new Set(rankings.map((entry) => entry.userId));
  for (const [user, row] of byUser) {
    if (users.has(user)) continue;
    row.remove();
    byUser.delete(user);
  }
  const digits = Math.max(0, ...rankings.map((entry) => decimals(entry.achievedValue)));
  const most = Math.max(...rankings.map((entry) => entry.achievedValue));
  rankings.forEach((entry, i) => {
    let row = byUser.get(entry.userId);
    const known = row !== undefined;
    if (!known) {
      row = makeRow(entry);
      byUser.set(entry.userId, row);
    }
    fill(row, entry, digits, animated && known);
    row.style.setProperty("--share", most > 0 ? Math.max(0, entry.achievedValue) / most : 0);
    row.classList.toggle("found", entry.userId === found);
    if (rows.children[i] !== row) rows.insertBefore(row, rows.children[i] ?? null);
  });
  if (focused !== document.activeElement && rows.contains(focused)) focused.focus({ preventScroll: true });
  if (animated && !still.matches) move(before);
}

export function clear() {
  byUser.clear();
  rows.replaceChildren();
}

// reveal brings the row of a user into sight, and the keyboard to it.
export function reveal(user) {
  const row = byUser.get(user);
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
}

// tick says again how long ago everything was.
export function tick(now) {
  for (const row of byUser.values()) {
    const time = row.cells[3].firstChild;
    const text = ago(now - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

function makeRow(entry) {
  const row = document.createElement("tr");
  row.dataset.user = entry.userId;
  const cell = (tag, name, ...children) => {
    const c = document.createElement(tag);
    c.className = name;
    c.append(...children);
    row.append(c);
    return c;
  };
  const span = (name) => Object.assign(document.createElement("span"), { className: name });
  const moved = span("moved");
  moved.setAttribute("aria-hidden", "true");
  cell("td", "rank", span("place"), moved);
  cell("th", "user", span("name"), span("id"), span("share")).scope = "row";
  cell("td", "value");
  cell("td", "time", document.createElement("time"));
  return row;
}

function fill(row, entry, digits, animated) {
  const [rank, user, value, time] = row.cells;
  const [place, moved] = rank.children;
  const climbed = Number(place.textContent) - entry.rank;
  place.textContent = entry.rank;
  row.dataset.rank = entry.rank;
  if (animated && climbed !== 0) {
    moved.textContent = `${climbed > 0 ? "▲" : "▼"}${Math.abs(climbed)}`;
    moved.classList.toggle("down", climbed < 0);
    fade(moved);
  }
  const { first_name: first, last_name: last } = entry.userEnrichmentDetails;
  const name = [first, last].filter(Boolean).join(" ");
  user.children[0].textContent = name || `User ${entry.userId}`;
  user.children[1].textContent = name ? entry.userId : "";
  value.textContent = number(entry.achievedValue, digits);
  if (animated && row.dataset.value !== String(entry.achievedValue)) flash(row);
  row.dataset.value = entry.achievedValue;
  time.firstChild.dateTime = entry.lastActivityTimeISO;
  time.title = entry.lastActivityTime.replace("T", " ");
}

const fade = (element) => element.animate([{ opacity: 1 }, { opacity: 1, offset: 0.7 }, { opacity: 0 }], { duration: 4000, fill: "forwards" });

function flash(row) {
  const colour = getComputedStyle(row).getPropertyValue("--flash");
  if (!still.matches) row.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], { duration: 1200, easing: "ease-out" });
}

// move lets every row glide from where it was to where it is.
function move(before) {
  for (const row of byUser.values()) row.glide?.cancel();
  const after = new Map([...byUser].map(([user, row]) => [user, row.getBoundingClientRect().top]));
  for (const [user, row] of byUser) {
    if (!before.has(user)) {
      row.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 300 });
      continue;
    }
    const way = before.get(user) - after.get(user);
    if (Math.abs(way) < 1) continue;
    row.glide = row.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 400, easing: "cubic-bezier(.2,.7,.2,1)" });
  }
}
