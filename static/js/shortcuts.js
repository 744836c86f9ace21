// Keys press, focus or send what names them with data-key: one key, or two one after the other ("g r"). Never while
// somebody types, nor where they are switched off. And the arrow keys in what a search has found.

const SECOND_WITHIN = 1500;
const FIELD = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

const areOn = () => localStorage.getItem("shortcuts") !== "off";

function showSwitches() {
  for (const box of document.querySelectorAll("[data-shortcuts]")) box.checked = areOn();
}

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-shortcuts]")) return;
  if (event.target.checked) localStorage.removeItem("shortcuts");
  else localStorage.setItem("shortcuts", "off");
  showSwitches();
});
document.addEventListener("htmx:after:swap", showSwitches);
showSwitches();

// What is not shown at this width stands aside for what is. Out of sight only menus answer: nobody decides on an
// article that is not open.
function named(key) {
  const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  return all.find((element) => element.checkVisibility()) ?? all.find((element) => element.closest("nav, .popup"));
}

function press(element) {
  if (element.matches("textarea, input, select")) {
    element.focus();
    element.select?.();
  } else if (element.matches("form")) element.requestSubmit();
  else element.click();
}

let before = ""; // the first of two keys
let forgets;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !areOn()) return;
  if (event.target.closest(FIELD) || document.querySelector("dialog[open]")) return;
  const key = before ? `${before} ${event.key}` : event.key;
  const goal = named(key);
  clearTimeout(forgets);
  before = "";
  if (goal) {
    event.preventDefault();
    press(goal);
  } else if (document.querySelector(`[data-key^="${CSS.escape(event.key)} "]`)) {
    before = event.key;
    forgets = setTimeout(() => before = "", SECOND_WITHIN);
  }
});

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  const finder = event.target.closest?.("[data-finds]");
  const results = document.getElementById("search_results");
  if (!results || !(finder || results.contains(event.target))) return;
  if (event.key === "Escape" && finder?.matches(".global-search")) {
    results.replaceChildren();
    document.activeElement.blur();
  }
  if (!STEPS[event.key]) return;
  const box = document.querySelector("[data-finds] input[type=search]");
  const stops = [box, ...results.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement) + STEPS[event.key];
  event.preventDefault();
  stops[(at + stops.length) % stops.length].focus();
});
