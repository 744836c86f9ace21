// Edits an article as formatted text. Squire changes the document, DOMPurify lets in only what an article may hold, and
// what is typed is kept in this browser until it is saved. Without this file the form holds Markdown.

const ALLOWED = ["a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li"]
  .concat(["ol", "p", "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"]);
const SYNONYMS = { STRONG: "B", EM: "I", H1: "H2", H5: "H4", H6: "H4", DIV: "P" };
const LASTS = 7 * 24 * 3600 * 1000;
const SOON = 600;

function renamed(element, name) {
  const other = document.createElement(name);
  other.append(...element.childNodes);
  element.replaceWith(other);
  return other;
}

// Word processors and other pages write the same elements under other names.
function clean(html) {
  const purify = globalThis.DOMPurify;
  const fragment = purify.sanitize(html, {
    ALLOWED_TAGS: ALLOWED,
    ALLOWED_ATTR: ["href", "title"],
    RETURN_DOM_FRAGMENT: true,
  });
  for (const element of [...fragment.querySelectorAll(Object.keys(SYNONYMS).join(","))]) {
    if (element.tagName !== "DIV" || !element.querySelector("p,h2,h3,h4,ul,ol,table,blockquote,pre,div")) {
      renamed(element, SYNONYMS[element.tagName]);
    } else element.replaceWith(...element.childNodes);
  }
  return document.importNode(fragment, true);
}

// Beside an element the editor writes a space as one that does not break, so that the browser shows it while one types.
function plainSpaces(copy) {
  const texts = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.nextSibling) text.data = text.data.replace(/(?<=\S)\u00a0$/, " ");
    if (text.previousSibling) text.data = text.data.replace(/^\u00a0(?=\S)/, " ");
  }
}

function html(editor) {
  const copy = document.createElement("div");
  copy.append(clean(editor.getHTML()));
  plainSpaces(copy);
  for (const element of copy.querySelectorAll("b")) renamed(element, "strong");
  for (const element of copy.querySelectorAll("i")) renamed(element, "em");
  // The editor keeps a line end in each empty block and at the end of others, so that the cursor can stand there.
  for (const end of copy.querySelectorAll("br:last-child")) {
    if (!end.nextSibling && end.parentElement !== copy) end.remove();
  }
  for (const block of copy.querySelectorAll("p,h2,h3,h4,li")) if (!block.textContent.trim()) block.remove();
  return copy.innerHTML;
}

function words(text) {
  return (text.match(/[\p{L}\p{N}_]+(?:[’'.,-][\p{L}\p{N}_]+)*/gu) ?? []).length;
}

// The Markdown field stays the one that is sent; it holds HTML as soon as the editor stands.
class ArticleEditor {
  constructor(box) {
    this.box = box;
    this.form = box.closest("form");
    this.field = box.querySelector(`textarea[name="${box.dataset.name}"]`);
    this.sentAs = this.form.elements[`${box.dataset.name}-as`];
    this.text = box.querySelector(".editor-text");
    this.source = box.querySelector("[data-source]").value;
    this.link = box.querySelector(".editor-link");
    this.tools = [...box.querySelectorAll("[data-command]")];
    this.key = `article ${location.pathname}`;
    this.version = this.form.elements.version?.value ?? "";
    this.begin();
  }

  begin() {
    const { field, text } = this;
    this.squire = new globalThis.Squire(text, { blockTag: "P", sanitizeToDOMFragment: clean, addLinks: false });
    this.squire.setHTML(this.source);
    field.hidden = true;
    field.removeAttribute("id");
    field.value = this.source;
    this.sentAs.value = "html";
    text.id = this.box.querySelector(".editor-tools").getAttribute("aria-controls");
    const label = this.form.querySelector(`label[for="${this.box.dataset.name}"]`);
    label?.addEventListener("click", () => this.squire.focus());
    for (const part of this.box.querySelectorAll(".editor-tools, .editor-text")) part.hidden = false;
    this.box.querySelector(".editor-plain").hidden = true;
    this.listen();
    this.offerKept();
    this.count();
    this.walk(this.tools[0]);
  }

  listen() {
    this.squire.addEventListener("input", () => this.changed());
    this.squire.addEventListener("pathChange", () => this.showState());
    this.squire.addEventListener("undoStateChange", ({ detail }) => {
      this.tool("undo").disabled = !detail.canUndo;
      this.tool("redo").disabled = !detail.canRedo;
    });
    this.tool("undo").disabled = this.tool("redo").disabled = true;
    this.box.addEventListener("click", (event) => this.press(event));
    this.box.querySelector(".editor-tools").addEventListener("keydown", (event) => this.arrow(event));
    for (const [level, name] of [["0", "P"], ["2", "H2"], ["3", "H3"]]) {
      this.squire.setKeyHandler(`Alt-Ctrl-${level}`, (_, event) => {
        event.preventDefault();
        this.block(name);
      });
    }
    this.squire.setKeyHandler("Ctrl-k", (_, event) => {
      event.preventDefault();
      this.askLink();
    });
    this.link.querySelector("input").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.closeLink();
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.setLink();
    });
    this.form.addEventListener("submit", () => {
      this.send();
      const kept = this.kept();
      if (kept) localStorage.setItem(this.key, JSON.stringify({ ...kept, sent: true }));
    });
  }

  tool(command) {
    return this.tools.find((tool) => tool.dataset.command === command);
  }

  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const { command, link, found } = button.dataset;
    if (command) this.act(command);
    if (link === "set") this.setLink();
    if (link === "remove") this.removeLink();
    if (found) this.answerKept(found === "take");
  }

  act(command) {
    const { squire } = this;
    const has = (tag) => squire.hasFormat(tag);
    const acts = {
      paragraph: () => this.block("P"),
      h2: () => this.block("H2"),
      h3: () => this.block("H3"),
      bold: () => has("B") ? squire.removeBold() : squire.bold(),
      italic: () => has("I") ? squire.removeItalic() : squire.italic(),
      link: () => this.askLink(),
      ul: () => has("UL") ? squire.removeList() : squire.makeUnorderedList(),
      ol: () => has("OL") ? squire.removeList() : squire.makeOrderedList(),
      quote: () => has("BLOCKQUOTE") ? squire.decreaseQuoteLevel() : squire.increaseQuoteLevel(),
      undo: () => squire.undo(),
      redo: () => squire.redo(),
    };
    acts[command]();
    this.showState();
  }

  block(name) {
    this.squire.modifyBlocks((fragment) => {
      for (const block of fragment.querySelectorAll("p,h2,h3,h4")) renamed(block, name);
      return fragment;
    });
    this.squire.focus();
  }

  askLink() {
    if (!this.link.hidden) return this.closeLink();
    const anchor = this.anchor();
    const input = this.link.querySelector("input");
    this.link.hidden = false;
    input.value = anchor?.getAttribute("href") ?? "";
    this.link.querySelector("[data-link=remove]").hidden = !anchor;
    input.focus();
  }

  anchor() {
    const place = this.squire.getSelection().startContainer;
    return (place.nodeType === Node.ELEMENT_NODE ? place : place.parentElement).closest("a");
  }

  setLink() {
    const address = this.link.querySelector("input").value.trim();
    if (!address) return this.removeLink();
    this.closeLink();
    this.squire.makeLink(/^(https?:|mailto:)/i.test(address) ? address : `https://${address}`);
  }

  removeLink() {
    this.closeLink();
    this.squire.removeLink();
  }

  closeLink() {
    this.link.hidden = true;
    this.squire.focus();
  }

  // One tool at a time is reached by Tab, the others by the arrow keys.
  arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const usable = this.tools.filter((tool) => !tool.disabled);
    const place = usable.indexOf(document.activeElement) + step;
    this.walk(usable[(place + usable.length) % usable.length]).focus();
  }

  walk(tool) {
    for (const other of this.tools) other.tabIndex = other === tool ? 0 : -1;
    return tool;
  }

  showState() {
    const tags = { h2: "H2", h3: "H3", bold: "B", italic: "I", link: "A", ul: "UL", ol: "OL", quote: "BLOCKQUOTE" };
    for (const [command, tag] of Object.entries(tags)) {
      this.tool(command).setAttribute("aria-pressed", String(this.squire.hasFormat(tag)));
    }
  }

  changed() {
    this.isChanged = true;
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      this.keep();
      this.count();
    }, SOON);
  }

  send() {
    if (this.isChanged) this.field.value = html(this.squire);
  }

  count() {
    const text = this.text.innerText;
    const number = words(text);
    this.box.querySelector("[data-words]").textContent = `${number.toLocaleString("en")} word${
      number === 1 ? "" : "s"
    }`;
    this.countBeside(text, number);
  }

  // Length and searches beside the form
  countBeside(text, number) {
    const now = document.querySelector("[data-words-now]");
    if (!now) return;
    now.textContent = this.box.querySelector("[data-words]").textContent;
    const bar = document.querySelector("[data-words-bar]");
    if (bar) bar.value = number;
    const spaced = ` ${text} `.toLowerCase().replace(/\s+/g, " ");
    for (const search of document.querySelectorAll("[data-search]")) {
      const isUsed = spaced.includes(search.dataset.search.toLowerCase());
      search.toggleAttribute("data-used", isUsed);
      search.querySelector("[data-said]").textContent = isUsed ? "in the text" : "not in the text yet";
    }
  }

  // What is typed and not yet saved

  kept() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  keep() {
    const note = this.box.querySelector("[data-kept]");
    note.hidden = false;
    try {
      localStorage.setItem(
        this.key,
        JSON.stringify({ html: html(this.squire), at: Date.now(), version: this.version }),
      );
      note.textContent = "Not saved yet. It is kept in this browser until you save.";
    } catch {
      note.textContent = "Not saved yet. This browser has no room to keep it: save soon.";
    }
  }

  offerKept() {
    const kept = this.kept();
    if (!kept) return;
    const isSaved = kept.sent && kept.version !== this.version;
    const isShown = kept.html === this.source;
    if (isSaved || isShown || Date.now() - kept.at > LASTS) return localStorage.removeItem(this.key);
    // After a refusal the form shows what was sent; else it never arrived.
    if ("sent" in this.box.dataset) return;
    const found = this.box.querySelector(".editor-found");
    const when = new Date(kept.at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    const meanwhile = kept.version === this.version ? "" : " The article was saved by somebody since then.";
    found.querySelector("span").textContent = `Text that you did not save was kept here on ${when}.${meanwhile}`;
    found.hidden = false;
  }

  answerKept(take) {
    if (take) {
      this.squire.saveUndoState();
      this.squire.setHTML(this.kept().html);
      this.isChanged = true;
      this.count();
    } else localStorage.removeItem(this.key);
    this.box.querySelector(".editor-found").hidden = true;
    this.squire.focus();
  }
}

for (const box of document.querySelectorAll("[data-article-editor]")) new ArticleEditor(box);
