// The few things that HTML and htmx do not do. Every page works without this file.

const root = document.documentElement;

// Theme: light, dark, or that of the system. theme.js applies the choice before the page is drawn.
function showTheme() {
  const theme = root.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-set-theme]");
  if (!button) return;
  if (button.dataset.setTheme === "auto") {
    localStorage.removeItem("theme");
    delete root.dataset.theme;
  } else {
    localStorage.setItem("theme", button.dataset.setTheme);
    root.dataset.theme = button.dataset.setTheme;
  }
  showTheme();
});
showTheme();

// Menus and confirmations are <details>: a click elsewhere or Escape closes them.
function closePopups(except) {
  for (const popup of document.querySelectorAll("details.popup[open]")) {
    if (!popup.contains(except)) popup.open = false;
  }
}

document.addEventListener("click", (event) => closePopups(event.target));
document.addEventListener("keydown", (event) => {
  const popup = event.key === "Escape" && document.querySelector("details.popup[open]");
  if (!popup) return;
  popup.open = false;
  popup.querySelector("summary").focus();
});

// "Select all" in the head of a table.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.selects;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`input[name="${CSS.escape(name)}"]`)) {
    box.checked = event.target.checked;
  }
});

// "Copy": the text stands in the element that the button names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies);
  await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
  button.querySelector(".button-label").textContent = "Copied";
});

// A message can be closed, and a success message leaves by itself.
document.addEventListener(
  "click",
  (event) => event.target.closest("[data-closes]")?.closest(".toast-message").remove(),
);

function fadeToasts() {
  for (const toast of document.querySelectorAll(".toast-message[data-fades]")) {
    setTimeout(() => toast.remove(), 8000);
  }
}
fadeToasts();

// An answer knows only what was typed before it was asked for: what was typed since stays.
const typedAt = new WeakMap();
const askedAt = new WeakMap();
const typedSince = new WeakMap();

document.addEventListener("input", (event) => typedAt.set(event.target, performance.now()));
document.addEventListener("htmx:before:request", (event) => askedAt.set(event.detail.ctx, performance.now()));
document.addEventListener("htmx:before:swap", (event) => {
  const asked = askedAt.get(event.detail.ctx);
  const fields = [...document.querySelectorAll(":is(input, select, textarea)[id]")];
  const since = fields.filter((field) => typedAt.get(field) > asked).map((field) => [field.id, field.value]);
  typedSince.set(event.detail.ctx, since);
});

// A question that waited its turn is asked of the form as it is then: what it was at the press lacks what was answered
// meanwhile, and the server would take that for removed.
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!ctx.sourceElement.matches("[hx-sync^='closest form']")) return;
  const form = new URLSearchParams(new FormData(ctx.request.form));
  form.set("change", ctx.request.body.get("change"));
  ctx.request.body = form;
});

// A form goes on when its own questions are answered: the server keeps what comes last, and that must be the press.
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const isWaiting = () => form.querySelector("[hx-sync^='closest form'].htmx-request");
  if (!isWaiting() || submitter?.hasAttribute("hx-post")) return;
  event.preventDefault();
  const goOn = () => (isWaiting() ? setTimeout(goOn, 50) : form.requestSubmit(submitter));
  goOn();
});

// What the server chose in a list: without a word of it, a browser takes the first.
const choiceOf = (list) => list.querySelector("option[selected]") ?? list.options[0];

// What was chosen before the page listened, or put back by the browser, is asked for as soon as htmx has begun.
function askForChoices() {
  for (const field of document.querySelectorAll(":is(select, input)[hx-post]")) {
    const isOther = field.options ? choiceOf(field)?.selected === false : field.checked && !field.defaultChecked;
    if (isOther) htmx.trigger(field, "change");
  }
}
window.addEventListener("load", () => setTimeout(askForChoices));

// A morphed list keeps the entry that stood there before, whatever its options are now: show what the answer chose.
function showChoices(part) {
  for (const list of part.querySelectorAll("select:not([multiple])")) {
    const chosen = choiceOf(list);
    if (chosen) chosen.selected = true;
  }
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.isLive) return; // redrawn by itself: what is chosen and typed stays
  showChoices(ctx.target);
  for (const [id, value] of typedSince.get(ctx) ?? []) {
    const field = document.getElementById(id);
    const fits = field && (!field.options || [...field.options].some((option) => option.value === value));
    if (fits && field.value !== value) field.value = value;
  }
  ctx.target.dispatchEvent(new Event("renewed"));
});

// A live table must not close what the reader has opened.
let opened = [];

document.addEventListener("htmx:before:swap", () => {
  opened = [...document.querySelectorAll("details[id][open]")].map((details) => details.id);
});
document.addEventListener("htmx:after:swap", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  fadeToasts();
});

// The keyboard goes on where the answer says, unless the reader has moved on while it was under way: an answer that
// comes late must not take the next press.
const movedOn = new WeakSet();
let placed = null; // id of the element that the last such answer named

function markErrorsAsSeen() {
  for (const field of document.querySelectorAll("[aria-invalid='true']")) field.classList.add("seen");
}
markErrorsAsSeen();

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  const focused = document.activeElement ?? document.body;
  const goals = tasks.map(({ fragment }) => fragment.querySelector("[autofocus]")).filter(Boolean);
  if (focused === document.body || focused.id === placed || ctx.sourceElement.contains(focused)) {
    placed = goals[0]?.id ?? placed;
    return;
  }
  movedOn.add(ctx);
  for (const goal of goals) goal.removeAttribute("autofocus");
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (!movedOn.has(ctx)) document.querySelector("main [aria-invalid='true']:not(.seen)")?.focus();
  markErrorsAsSeen();
});
