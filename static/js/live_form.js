// Forms that ask the server while they are being filled in: an answer is written into the page without taking back what
// was typed, chosen, opened or reached meanwhile. Without this file every choice has a button of its own.

// What asks of the form that it stands in: one question after the other, each of the form as it is then.
const OF_ITS_FORM = "[hx-sync^='closest form']";
const FIELDS = ":is(input, select, textarea)[id]";

const underWay = new Set(); // questions of forms that were asked, or wait their turn
let heldBack = null; // a press of "Next" that waits for them
let placed = null; // id of the element that the last answer gave the keyboard

const choiceOf = (list) => list.querySelector("option[selected]") ?? list.options[0];
const initialValue = (field) => (field.options ? choiceOf(field)?.value : field.defaultValue);

// -- What is asked ---------------------------------------------------------------------------------------------------

// A question that waited its turn lacks what was answered meanwhile, and the server would take that for removed.
function askOfTheFormAsItIs({ request }) {
  const form = new URLSearchParams(new FormData(request.form));
  form.set("change", request.body.get("change"));
  request.body = form;
}

const sentWith = ({ body, action }) => body ?? new URL(action, document.baseURI).searchParams;

// What was chosen before the page listened, or put back by the browser, is asked for as soon as htmx has begun.
function askForChoices() {
  for (const field of document.querySelectorAll(":is(select, input)[hx-post]")) {
    const isOther = field.options ? choiceOf(field)?.selected === false : field.checked && !field.defaultChecked;
    if (isOther) htmx.trigger(field, "change");
  }
}

// -- What is answered ------------------------------------------------------------------------------------------------

function keepTick(shown, fresh, sent) {
  const wasTicked = sent.getAll(shown.name).includes(shown.value);
  const isChanged = shown.value === fresh.value && shown.checked !== wasTicked;
  const ticked = isChanged ? shown.checked : fresh.checked;
  fresh.toggleAttribute("checked", ticked);
  shown.checked = ticked;
}

// A browser keeps the entry that stood in a list before, whatever its entries are now, unless they are new ones.
function keepChoice(shown, fresh, isChanged) {
  const fits = [...fresh.options].some((option) => option.value === shown.value);
  const value = isChanged && fits ? shown.value : initialValue(fresh);
  for (const option of fresh.options) option.toggleAttribute("selected", option.value === value);
  if (shown.innerHTML !== fresh.innerHTML) shown.innerHTML = fresh.innerHTML;
  shown.value = value;
}

function keepText(shown, fresh, isChanged) {
  const value = isChanged ? shown.value : fresh.value;
  if (fresh.matches("textarea")) fresh.textContent = value;
  else fresh.setAttribute("value", value);
  if (shown !== document.activeElement && shown.value !== value) shown.value = value;
}

// What was typed since the question was sent is written into the answer; all else is shown as the answer has it.
export function keepTyped(answer, sent) {
  for (const fresh of answer.querySelectorAll(FIELDS)) {
    const shown = document.getElementById(fresh.id);
    if (shown?.tagName !== fresh.tagName || fresh.multiple) continue;
    if (["checkbox", "radio"].includes(fresh.type)) {
      keepTick(shown, fresh, sent);
    } else {
      const isChanged = shown.value !== (sent.has(shown.name) ? sent.get(shown.name) : initialValue(shown));
      (fresh.options ? keepChoice : keepText)(shown, fresh, isChanged);
    }
  }
}

// What the reader has opened stays open.
export function keepOpened(answer) {
  for (const fresh of answer.querySelectorAll("details[id]")) {
    if (document.getElementById(fresh.id)?.open) fresh.open = true;
  }
}

const isAtFault = (field) => field?.getAttribute("aria-invalid") === "true";

// The keyboard goes on where the answer says, or at its first new fault, unless the reader has moved on meanwhile: a
// late answer must not take the next press.
export function placeKeyboard(answers, asker) {
  const focused = document.activeElement ?? document.body;
  const mayMove = focused === document.body || focused.id === placed || asker.contains(focused);
  const all = answers.flatMap((answer) => [...answer.querySelectorAll("[autofocus], [aria-invalid='true']")]);
  const goal = all.find((field) => field.autofocus) ??
    all.find((field) => isAtFault(field) && !isAtFault(document.getElementById(field.id)));
  for (const field of all) field.toggleAttribute("autofocus", mayMove && field === goal);
  if (mayMove && goal) placed = goal.id;
}

// -- When ------------------------------------------------------------------------------------------------------------

const asksOfItsForm = (ctx) => ctx.sourceElement.matches(OF_ITS_FORM);

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => asksOfItsForm(ctx) && underWay.add(ctx));
document.addEventListener(
  "htmx:before:request",
  ({ detail: { ctx } }) => asksOfItsForm(ctx) && askOfTheFormAsItIs(ctx),
);

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  const answers = tasks.map(({ fragment }) => fragment);
  answers.forEach(keepOpened);
  if (ctx.isLive) return; // redrawn by itself: htmx leaves what is typed and where the keyboard is
  for (const answer of answers) keepTyped(answer, sentWith(ctx.request));
  placeKeyboard(answers, ctx.sourceElement);
});

// The server keeps what comes last, and that must be the press that goes on.
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (![...underWay].some((ctx) => ctx.request.form === form)) return;
  event.preventDefault();
  heldBack = { form, submitter };
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  underWay.delete(ctx);
  if (!heldBack || underWay.size) return;
  const { form, submitter } = heldBack;
  heldBack = null;
  form.requestSubmit(submitter);
});

window.addEventListener("load", () => setTimeout(askForChoices));
