// What is asked of the code: fields with menus, filled in by what was found in the code and changed by the reader.

const FIELDS = {
  loss: { label: "loss", hint: "loss(weights, X, T)" },
  grads: { label: "gradients", hint: "gradients(weights, X, T)" },
  both: { label: "loss and gradients", hint: "svm_loss(W, X, y)" },
  forward: { label: "forward", hint: "affine_forward(x, w, b)" },
  backward: { label: "backward", hint: "affine_backward(dout, cache)" },
  expression: { label: "what to read", hint: "gradients(weights, X, T)" },
  wrt: { label: "with respect to", hint: "W1, b1, W2, b2" },
  target: { label: "written for", among: ["numpy", "jax", "torch"] },
  setup: { label: "run first", hint: "W, X = np.random.randn(i, j), np.random.randn(j, b)" },
};

// passed on as they were found
const KEPT = { check: ["cotangent", "text", "guess"], read: ["draws", "text"], derive: ["text"],
  quiz: ["cotangent", "text"] };

const ASKED = { apart: ["loss", "grads"], both: ["both"], layer: ["forward", "backward", "grads"] };
const SHOWN = {
  read: () => ["expression", "setup"],
  derive: () => ["loss", "wrt", "target", "setup"],
  check: (form) => [...ASKED[form], "wrt", "setup"],
  quiz: (form) => [...ASKED[form], "wrt", "setup"],
};

const NEEDED = { read: () => ["expression"], derive: () => ["loss", "wrt"], check: (form) => [...FORMS[form], "wrt"],
  quiz: (form) => [...FORMS[form], "wrt"] };
const EXPRESSIONS = ["form", "loss", "grads", "both", "forward", "backward", "expression"];
const FORMS = { apart: ["loss", "grads"], both: ["both"], layer: ["forward", "backward"] };

/** The form of questions in an element; `changed()` is called when the reader changes what is asked. */
export class Question {
  #inputs = {};
  #menus = {};
  #rows = {};
  #form;
  #touched = new Set();
  #kept = {};
  #found;
  #proposals = [];
  #tab = "check";

  constructor(element, changed) {
    this.#form = element.querySelector("#form");
    this.#found = element.querySelector("#found");
    const fields = element.querySelector(".fields");
    for (const [name, about] of Object.entries(FIELDS)) fields.append(this.#row(name, about, changed));
    this.#form.addEventListener("change", () => {
      this.#touched.add("form");
      this.show(this.#tab);
      changed();
    });
    this.#found.addEventListener("change", () => {
      this.#touched.clear();
      this.fill(this.#proposals[this.#found.selectedIndex]);
      changed();
    });
    element.addEventListener("submit", (event) => event.preventDefault());
    this.fill({});
  }

  #row(name, { label, hint, among }, changed) {
    const row = document.createElement("div");
    row.className = "field";
    row.innerHTML = '<label></label><div class="choice"></div>';
    const input = among ? document.createElement("select") : document.createElement("input");
    row.querySelector(".choice").append(input);
    row.querySelector("label").textContent = label;
    row.querySelector("label").htmlFor = input.id = `field-${name}`;
    this.#inputs[name] = input;
    this.#rows[name] = row;
    const heard = () => {
      if (input.value.trim()) this.#touched.add(name);
      else this.#touched.delete(name);
      changed();
    };
    input.addEventListener("input", heard);
    if (among) input.append(...among.map((choice) => new Option(choice)));
    else {
      Object.assign(input, { type: "text", spellcheck: false, autocapitalize: "off", placeholder: hint });
      row.querySelector(".choice").append(this.#menu(name, label, input, heard));
    }
    return row;
  }

  // what was found besides, to be chosen instead of what stands there
  #menu(name, label, input, heard) {
    const menu = Object.assign(document.createElement("select"), { className: "menu", hidden: true });
    menu.setAttribute("aria-label", `other choices for ${label}`);
    menu.addEventListener("change", () => {
      input.value = menu.value;
      menu.selectedIndex = -1;
      heard();
    });
    return (this.#menus[name] = menu);
  }

  #offer(name, choices) {
    const menu = this.#menus[name];
    menu.replaceChildren(...choices.map((choice) => new Option(choice)));
    menu.selectedIndex = -1;
    menu.hidden = choices.length < 1;
  }

  /** Show the fields of a tab. */
  show(tab) {
    this.#tab = tab;
    const shown = SHOWN[tab](this.#form.value);
    for (const [name, row] of Object.entries(this.#rows)) row.hidden = !shown.includes(name);
    for (const element of document.querySelectorAll("[data-for]")) element.hidden = !element.dataset.for.split(" ").includes(tab);
    this.#found.parentElement.hidden = this.#proposals.length < 2;
  }

  /** Offer what was found in the code, and fill in what the reader has chosen of it, or else the first. */
  offer(proposals) {
    const before = this.#found.value;
    this.#proposals = proposals;
    this.#found.replaceChildren(...proposals.map(({ title }) => new Option(title)));
    const at = proposals.findIndex(({ title }) => title === before);
    this.#found.selectedIndex = proposals.length ? Math.max(at, 0) : -1;
    this.fill(proposals[this.#found.selectedIndex] ?? {});
  }

  /** What is to be known of what is asked. */
  get notes() {
    return this.#proposals[this.#found.selectedIndex]?.notes ?? [];
  }

  /** Fill in a proposal, but for what the reader gave. */
  fill({ fields = {}, choices = {} }) {
    const given = { target: "numpy", ...fields };
    this.#kept = fields;
    for (const [name, input] of Object.entries(this.#inputs)) {
      if (!this.#touched.has(name)) input.value = given[name] ?? "";
      if (this.#menus[name]) this.#offer(name, choices[name] ?? []);
    }
    if (!this.#touched.has("form") && fields.form) this.#form.value = fields.form;
    this.show(this.#tab);
  }

  /** Forget what the reader gave: the code is another one. */
  forget() {
    this.#touched.clear();
    this.offer([]);
  }

  /** What the reader gave, by name. */
  get given() {
    const held = [...this.#touched].map((name) => [name, name === "form" ? this.#form.value : this.#inputs[name].value]);
    return Object.fromEntries(held);
  }

  /** Take what a reader gave elsewhere. */
  take(given) {
    for (const [name, value] of Object.entries(given)) {
      if (name === "form" && FORMS[value]) this.#form.value = value;
      else if (this.#inputs[name] && typeof value === "string") this.#inputs[name].value = value;
      else continue;
      this.#touched.add(name);
    }
    this.show(this.#tab);
  }

  /** The setup that the reader gave; what was proposed is proposed again. */
  get setup() {
    return this.#touched.has("setup") ? this.#inputs.setup.value : "";
  }

  /** The arguments of the question that a tab asks. */
  asked(tab) {
    const shown = SHOWN[tab](this.#form.value).map((name) => [name, this.#inputs[name].value.trim()]);
    const own = EXPRESSIONS.some((name) => this.#touched.has(name)); // then what was found is not what is asked
    const kept = KEPT[tab].filter((name) => this.#kept[name] && !own).map((name) => [name, this.#kept[name]]);
    const asked = Object.fromEntries([...shown, ...kept]);
    if (this.#kept.more) asked.setup = [asked.setup, this.#kept.more].filter(Boolean).join("\n");
    return asked;
  }

  /** The labels of fields without which there is no question. */
  missing(tab) {
    return NEEDED[tab](this.#form.value).filter((name) => !this.#inputs[name].value.trim()).map((name) => FIELDS[name].label);
  }
}
