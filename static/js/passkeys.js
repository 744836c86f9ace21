// Passkeys: what only a browser can do. The form that asks for one is sent with the browser's answer in it.

const TOO_OLD = "This browser knows no passkeys, or not at this address. Use another one, or your password.";
const NOT_GIVEN = "No passkey was used: it was cancelled, took too long, or this device has none for this console.";
const NOT_MADE = "No passkey was made: it was cancelled or took too long.";
const KNOWN_ALREADY = "This device has a passkey of yours for this console already.";
const NOT_ASKED = "This could not be started. Load the page again; after many tries wait a quarter of an hour.";

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const headers = { "X-CSRFToken": form.elements.csrf_token.value };
  const answer = await fetch(form.dataset.asks, { method: "POST", headers });
  if (!answer.ok) throw new Error(NOT_ASKED);
  return answer.json();
}

const ceremonies = {
  create: (options) =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
};

function wordsFor(error, kind) {
  if (error instanceof DOMException) {
    if (error.name === "InvalidStateError") return KNOWN_ALREADY;
    if (error.name !== "SecurityError") return kind === "create" ? NOT_MADE : NOT_GIVEN;
    return TOO_OLD;
  }
  return error.message === NOT_ASKED || error instanceof TypeError ? NOT_ASKED : TOO_OLD;
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const kind = form.dataset.passkey;
  const button = form.querySelector("button[type=submit]");
  const said = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.hidden = true;
    if (!globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON) return say(TOO_OLD);
    button.disabled = true;
    try {
      const credential = await ceremonies[kind](await optionsOf(form));
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (error) {
      button.disabled = false;
      say(wordsFor(error, kind));
    }
  });
  const say = (words) => {
    said.textContent = words;
    said.hidden = false;
  };
}
