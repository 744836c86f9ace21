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

// Of tabs and rows that do not fit, the chosen one is in sight.
for (const tab of document.querySelectorAll(".tab[aria-current]")) tab.parentElement.scrollLeft = tab.offsetLeft - 48;
for (const row of document.querySelectorAll(".inbox-row.is-open")) row.parentElement.scrollTop = row.offsetTop - 48;

// "Select all" in the head of a table.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.selects;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`input[name="${CSS.escape(name)}"]`)) {
    box.checked = event.target.checked;
  }
});

// As formatted text for word processors and mails, and as plain text for all else.
function copyFormatted(html) {
  const lines = html.replace(/<\/(p|h\d|li|tr|pre|blockquote)>|<br\s*\/?>/gi, "$&\n");
  const plain = new DOMParser().parseFromString(lines, "text/html").body.textContent;
  const parts = { "text/html": html, "text/plain": plain };
  const blobs = Object.entries(parts).map(([type, part]) => [type, new Blob([part], { type })]);
  return navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))]);
}

// "Copy": the text stands in the element that the button names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies);
  const text = source.value ?? source.textContent.trim();
  await ("rich" in button.dataset ? copyFormatted(text) : navigator.clipboard.writeText(text));
  button.querySelector(".button-label").textContent = "Copied";
});

// Text that is kept until it is saved (article_editor.js) is not for the next person at this browser.
document.addEventListener("submit", (event) => {
  if (!event.target.getAttribute("action")?.endsWith("/sign-out")) return;
  for (const key of Object.keys(localStorage)) if (key.startsWith("article ")) localStorage.removeItem(key);
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
document.addEventListener("htmx:after:swap", fadeToasts);

// A <dialog> is opened by what names it; its own button, Escape or a click beside it close it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  else if (event.target.matches("dialog[open]")) event.target.close();
});

// A step of the rule form begins at its first field, or at the first that is wrong.
const FIELDS = "input:not([type=hidden]), select, textarea";
const wizard = !location.hash && document.querySelector(".wizard-form");
const first = wizard && (wizard.querySelector("[aria-invalid=true]") ?? wizard.querySelector(FIELDS));
if (first) {
  const group = first.type === "radio" && wizard.querySelector(`input[name="${CSS.escape(first.name)}"]:checked`);
  (group || first).focus({ preventScroll: true });
}
