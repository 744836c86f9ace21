// "Try it" of the API reference: sends one call with the session of the page and shows what is answered.

const form = document.querySelector("[data-try]");
const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers:inherited"));

function address(inputs) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const { name, value, dataset } of inputs) {
    if (dataset.place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    // A list is typed with commas between its values.
    if (dataset.place === "query") { for (const one of value.split(",")) query.append(name, one.trim()); }
  }
  return query.size ? `${path}?${query}` : path;
}

function requestHeaders(inputs) {
  const headers = new Headers({ "X-CSRFToken": token });
  if (form.elements.body) headers.set("Content-Type", "application/json");
  for (const { name, value, dataset } of inputs) {
    if (dataset.place === "header") headers.set(name, value);
  }
  return headers;
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function show(status, text) {
  const heading = document.createElement("p");
  heading.textContent = status;
  const body = document.createElement("pre");
  body.className = "api-code";
  body.tabIndex = 0;
  body.textContent = text;
  form.querySelector(".api-answer").replaceChildren(heading, ...(text ? [body] : []));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const inputs = [...form.querySelectorAll("[data-place]")].filter((input) => input.value);
  try {
    const response = await fetch(address(inputs), {
      method: form.dataset.try,
      headers: requestHeaders(inputs),
      body: form.elements.body?.value || undefined,
    });
    show(`${response.status} ${response.statusText}`, readable(await response.text()));
  } catch {
    show("The console did not answer. Check your connection and send it again.", "");
  }
});
