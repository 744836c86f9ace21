// Pages that stay true while one looks. One question serves all live parts of a page: has anything moved? Only then is
// the page loaded anew, and those parts are redrawn whose drawing differs. A hidden page asks nothing.

// So that a change is on the page within three seconds, its drawing on a busy machine included.
const QUICK = 2_000;
const AT_WORK = 1_000; // while the page shows something that goes on: its end is waited for
const SLOW = 10_000;
const CALM_AFTER = 300_000; // without change or use
const HEADERS = { "Console-Redraw": "1" };
const shell = document.getElementById("shell");

let mark, timer, ahead;
let isAsking = false;
let isOver = !shell; // signed out, or a page without live parts
let stirredAt = Date.now();
let lookedAt = 0;
const shown = new Map(); // id of a live part -> as the server drew it last

// What differs in every drawing is no change: hidden keys of forms, and how long ago something was.
function comparable(part) {
  const copy = part.cloneNode(true);
  for (const field of copy.querySelectorAll("input[type=hidden]:is([name=csrf_token], [name=request_key])")) {
    field.removeAttribute("value");
  }
  for (const time of copy.querySelectorAll("time[data-ages]")) time.textContent = "";
  return copy.outerHTML;
}

const liveParts = (page) => [...page.querySelectorAll("[data-live]")];

function note(page) {
  const { mark: read, now } = page.getElementById("shell").dataset;
  mark = read;
  ahead = Date.parse(now) - Date.now(); // of this computer's clock
}

function pause() {
  if (Date.now() - stirredAt >= CALM_AFTER) return SLOW;
  return document.querySelector("[data-live] .pill.is-busy") ? AT_WORK : QUICK;
}

async function ask() {
  if (isAsking || isOver || document.hidden) return;
  clearTimeout(timer);
  isAsking = true;
  try {
    const headers = { ...HEADERS, "If-None-Match": `"${mark}"` };
    const answer = await fetch(shell.dataset.asks, { headers, cache: "no-store", redirect: "manual" });
    if (answer.type === "opaqueredirect") isOver = true;
    if (answer.status === 204) await redraw();
  } catch {
    // The line is down, or the server starts anew: the next question finds out.
  } finally {
    isAsking = false;
    if (!isOver && !document.hidden) timer = setTimeout(ask, pause());
  }
}

async function redraw() {
  const address = shell.dataset.redraw ?? location.pathname + location.search;
  const answer = await fetch(address, { headers: HEADERS, cache: "no-store" });
  if (answer.status >= 500) return;
  if (!answer.ok || answer.redirected) return location.reload(); // what the page shows is there no more
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!shell.dataset.redraw && address !== location.pathname + location.search) return; // filtered meanwhile
  for (const part of liveParts(document)) await replace(part, page.getElementById(part.id));
  if (!shell.dataset.redraw) document.title = page.title;
  note(page);
}

// Morphed, so that focus, scroll, open menus, ticks and typed text stay.
async function replace(part, fresh) {
  const drawn = fresh && comparable(fresh);
  if (!drawn || drawn === shown.get(part.id)) return;
  shown.set(part.id, drawn);
  stirredAt = Date.now();
  for (const field of fresh.querySelectorAll("[autofocus]")) field.removeAttribute("autofocus");
  await htmx.swap({ text: fresh.outerHTML, target: part, sourceElement: part, swap: "outerMorph", isLive: true });
}

// "3 minutes ago" grows older by itself, in the words of the server; what has become due meanwhile is asked for.
const STEPS = [[60, 1, "second"], [3600, 60, "minute"], [86_400, 3600, "hour"], [Infinity, 86_400, "day"]];

function relative(seconds) {
  const size = Math.abs(seconds);
  if (size < 10) return "just now";
  const [, step, unit] = STEPS.find(([end]) => size < end);
  const count = Math.floor(size / step);
  const distance = `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `in ${distance}` : `${distance} ago`;
}

function age() {
  if (document.hidden) return;
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[data-ages]")) {
    const at = Date.parse(time.dateTime);
    const text = relative(Math.trunc((at - now) / 1000));
    if (time.textContent !== text) time.textContent = text;
    if (lookedAt && lookedAt < at && at <= now) mark = "";
  }
  lookedAt = now;
}

function stir() {
  const wasCalm = pause() === SLOW;
  stirredAt = Date.now();
  if (wasCalm) ask();
}

function begin() {
  note(document);
  for (const part of liveParts(document)) shown.set(part.id, comparable(part));
  timer = setTimeout(ask, QUICK);
  setInterval(age, 1000);
  for (const use of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(use, stir, { passive: true });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  addEventListener("pageshow", (event) => event.persisted && ask());
}

if (shell) begin();
