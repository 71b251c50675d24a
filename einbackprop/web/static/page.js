// The page: an editor, a question, and its answer, asked anew after a pause in typing.

import { createEditor } from "./editor.js";
import "./letters.js";
import { fragmentOf, heldIn } from "./link.js";
import { Python, Stopped } from "./python.js";
import { Question } from "./question.js";
import { game, introduction, mark } from "./quiz.js";

const PAUSE = 800; // milliseconds without a key before the code is asked again
const TABS = ["check", "read", "derive", "quiz"];
const OTHERS = 4; // how often another mistake is drawn where the same one comes again
const VERDICTS = { 0: "right", 1: "wrong", 3: "undecided" }; // by the exit code
const SLOW = 5; // seconds after which it is said how to end it
const PATIENCE = 10000; // milliseconds after which what runs is ended where something else is asked

const at = (id) => document.getElementById(id);
const site = await (await fetch("site.json")).json();

let tab = "check";
let timer = 0;
let running = false;
let again = false;
let proposed = null; // the code and setup that the fields were filled from
let marks = [];
let general = []; // what is said of the code, whatever is asked
let ready = false;
let began = 0; // when what is running was asked
let halted = false; // whether somebody has stopped it
let broken = ""; // what is said of a link whose code cannot be read
let right = null; // the code that a quiz was made of
let mistaken = null; // and that code with the mistake
let asked = false; // whether another one is to be made
let wanted = null; // the level and the seed of the one that a link asks for
let drawn = null; // those of the one that is on
let playing = null; // the quiz that is on

const editor = createEditor(at("editor"), {
  label: "Python code, with its hand-written backward",
  hint: "Paste NumPy code with a hand-written backward here",
  changed: (text) => {
    keep(text);
    at("result").classList.add("stale");
    document.body.classList.add("stale");
    soon();
  },
  moved: (line) => playing?.at(line),
  run: () => now(),
  mend: (line) => {
    const mendable = marks.filter(({ edits }) => edits.length);
    write(mendable.find((mark) => mark.line >= line) ?? mendable[0]);
  },
});
const question = new Question(at("question"), () => soon());
const python = new Python(site, (state, words) => {
  ready = state === "ready" || state === "running";
  if (state === "running") return say("running", `${words} …`);
  if (state === "failed") say("failed", `Python could not be loaded: ${words}`);
  else if (state === "loading" && !running) say("loading", `${words} …`);
  else if (state === "loading") say("loading", `${words}; your code is next …`);
  else if (running) say("running", "running …");
  else say("ready", halted ? "stopped: press Run" : "ready");
});

/** Say how it is: the state is "loading", "running", "ready" or "failed"; the verdict that of what is shown. */
function say(state, words, verdict = "") {
  Object.assign(document.body.dataset, { state, verdict });
  at("status").textContent = words;
  at("stop").hidden = !["running", "loading", "failed"].includes(state) || (state === "loading" && !running);
  at("stop").textContent = state === "failed" ? "Try again" : "Stop";
}

function soon() {
  clearTimeout(timer);
  if (tab === "quiz") return; // made when it is asked for
  timer = setTimeout(now, PAUSE);
}

async function now() {
  clearTimeout(timer);
  again = running;
  if (running) {
    if (performance.now() - began > PATIENCE) python.stop(); // it may never end, and what is asked now is another code
    return;
  }
  running = true;
  halted = false;
  const ticking = clock();
  try {
    do {
      again = false;
      began = performance.now();
      await round().catch(stopped);
    } while (again);
  } finally {
    running = false;
    document.body.classList.remove("concealed");
    clearInterval(ticking);
    at("clock").textContent = "";
    at("stop").hidden = document.body.dataset.state !== "failed";
  }
}

/** What becomes of a question that was ended: the next one is asked, or there is nothing to show. */
function stopped(error) {
  if (!(error instanceof Stopped)) throw error;
  if (again) return;
  halted = true;
  show({ html: "", marks: [] });
  say("loading", "stopped; Python starts anew");
}

/** Count the seconds while something runs. */
function clock() {
  const start = performance.now();
  return setInterval(() => {
    const seconds = Math.round((performance.now() - start) / 1000);
    if (seconds < 1 || !ready) return;
    at("clock").textContent = `${seconds} s${seconds >= SLOW ? ": Stop ends it" : ""}`;
  }, 500);
}

/** Ask once: what there is in the code, if that is another one, and then the question of the tab. */
async function round() {
  const code = editor.text;
  if (!code.trim()) {
    show({ html: "", marks: [] });
    notes(broken ? [broken] : []);
    return say(ready ? "ready" : "loading", ready ? "ready: paste some code" : "starting Python …");
  }
  if (ready) say("running", "running …");
  const source = JSON.stringify([code, question.setup]);
  if (source !== proposed) {
    const found = await python.ask({ ask: "propose", code, setup: question.setup });
    if (found.error) return show(found);
    proposed = source;
    question.offer(found.proposals);
    general = [...found.notes, ...found.said];
  }
  notes([...general, ...question.notes]);
  const missing = question.missing(tab);
  if (missing.length) {
    show({ html: "", marks: [] });
    return say("ready", `fill in: ${missing.join(", ")}`, "undecided");
  }
  if (tab === "quiz") return play(code);
  const hint = tab === "check" ? { hint: Number(at("hint").value) } : {};
  const answer = await python.ask({ ask: tab, code, ...question.asked(tab), ...hint });
  if (editor.text === code) show(answer);
}

/** Make a quiz, if one is asked for, or else say what it is. */
async function play(code) {
  if (!asked) {
    show({ marks: [] }, introduction(begun));
    return say("ready", "ready");
  }
  asked = false;
  say("running", "looking for a mistake …");
  const linkedTo = wanted;
  wanted = null;
  let quiz;
  for (let tries = 0; tries < OTHERS; tries++) {
    drawn = linkedTo ?? { level: at("level").value, seed: Math.floor(Math.random() * 2 ** 32) };
    quiz = await python.ask({ ask: "quiz", code, ...drawn, ...question.asked("quiz") });
    if (quiz.error) return show(quiz);
    if (linkedTo || quiz.code !== mistaken) break;
  }
  [right, mistaken] = [code, quiz.code];
  editor.setText(quiz.code);
  history.replaceState(null, "", await linked()); // so that the page, loaded anew, asks the same and tells nothing
  proposed = JSON.stringify([quiz.code, question.setup]); // it asks what the code asked that is right
  const over = () => editor.mark([{ ...mark(quiz), below: below(mark(quiz)) }]);
  const element = game(quiz, {
    solved: over,
    shown: () => (over(), editor.go(quiz.line)),
    another: begun,
  });
  show({ marks: [] }, element);
  playing = element;
  say("ready", quiz.asked);
}

/** Make another quiz, of the code that is right. */
function begun() {
  if (mistaken !== null && editor.text === mistaken) editor.setText(right);
  asked = true;
  now();
}

function notes(told) {
  at("notes").replaceChildren(...told.map((words) => Object.assign(document.createElement("p"), { textContent: words })));
}

/** Show an answer: beside the code, and on the lines that it marks. */
function show(answer, element) {
  const result = at("result");
  playing = null;
  result.classList.remove("stale");
  document.body.classList.remove("stale");
  result.dataset.exit = answer.exit ?? "";
  if (answer.error) {
    result.replaceChildren(Object.assign(document.createElement("p"), { className: "error", textContent: answer.error }));
    say("ready", "that could not be done", "wrong");
  } else {
    result.innerHTML = answer.html ?? "";
    if (element) result.append(element);
    if (answer.source) result.append(copying(answer.source));
    for (const letter of result.querySelectorAll(".letters i")) letter.tabIndex = 0;
    if (answer.headline) say("ready", answer.headline, VERDICTS[answer.exit]);
  }
  at("printed").hidden = !answer.printed;
  at("printed").querySelector("pre").textContent = answer.printed ?? "";
  marks = answer.marks ?? [];
  const follows = (answer.follows ?? []).map((line) => ({ line, kind: "follows" }));
  const lines = [...new Set(marks.map(({ line }) => line))];
  at("go").hidden = !lines.length;
  at("go").textContent = `Line ${lines[0]}`;
  editor.mark([...marks.map((mark) => ({ ...mark, below: below(mark) })), ...follows]);
}

/** What stands below a marked line in the editor: what is wrong, and a button that writes it right. */
function below(mark) {
  const element = document.createElement("div");
  element.className = `below ${mark.kind}`;
  const told = document.createElement("div");
  told.className = "einbackprop told";
  if (mark.html) told.innerHTML = mark.html;
  else told.append(Object.assign(document.createElement("p"), { textContent: mark.message }));
  element.append(told);
  if (mark.edits.length) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "repair" });
    button.append("Write ", Object.assign(document.createElement("code"), { textContent: mark.write }));
    button.addEventListener("click", () => write(mark));
    element.append(button);
  }
  return element;
}

/** Write what is right where a mark is; not while its places are those of another text. */
function write(mark) {
  if (!mark || document.body.classList.contains("stale")) return;
  editor.edit(mark.edits);
  editor.mark([]);
  editor.focus();
  now();
}

function copying(source) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy the Python" });
  button.className = "copy";
  button.addEventListener("click", () => copy(source, "copied"));
  return button;
}

async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
    say(document.body.dataset.state, words);
  } catch {
    say(document.body.dataset.state, "the browser does not let a page copy: the address bar holds the link");
  }
}

function choose(name) {
  tab = name;
  for (const other of TABS) {
    const button = at(`tab-${other}`);
    button.setAttribute("aria-selected", String(other === name));
    button.tabIndex = other === name ? 0 : -1;
  }
  if (name !== "quiz" && drawn !== null) history.replaceState(null, "", location.pathname + location.search);
  if (name !== "quiz") [wanted, drawn] = [null, null];
  at("result").setAttribute("aria-labelledby", `tab-${name}`);
  question.show(name);
}

for (const name of TABS) {
  at(`tab-${name}`).addEventListener("click", () => {
    choose(name);
    now();
  });
  at(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(name) + step + TABS.length) % TABS.length];
    choose(next);
    at(`tab-${next}`).focus();
    now();
  });
}

at("run").addEventListener("click", () => (tab === "quiz" ? begun() : now()));
at("stop").addEventListener("click", () => {
  clearTimeout(timer); // what was about to run would only run into the same
  again = false;
  python.stop();
});
at("go").addEventListener("click", () => {
  editor.go(marks[0].line);
  editor.focus();
});
at("hint").addEventListener("change", () => now());
at("level").addEventListener("change", () => playing && begun());
at("clear").addEventListener("click", () => {
  gallery.value = "";
  begin("");
  editor.focus();
});

/** The fragment of a link to what is on the page: of a quiz, to the same one. */
async function linked() {
  const given = question.given;
  const more = Object.keys(given).length ? { ask: JSON.stringify(given) } : {};
  if (isPlaying()) return fragmentOf({ code: right, tab, ...drawn, ...more });
  if (tab === "check" && at("hint").value !== "0") more.hint = at("hint").value;
  return fragmentOf({ code: editor.text, tab, ...more });
}

function isPlaying() {
  return tab === "quiz" && drawn !== null && editor.text === mistaken;
}

at("link").addEventListener("click", async () => {
  const words = isPlaying() ? "the link is copied: whoever opens it is asked for the line" : "the link is copied; it holds the code itself";
  history.replaceState(null, "", await linked());
  await copy(location.href, words);
});

// a line of the answer leads to the line of the code
at("result").addEventListener("click", (event) => {
  const number = event.target.closest(".line")?.querySelector(".number")?.firstChild?.textContent;
  if (/^\d+$/.test(number ?? "") && !String(getSelection())) editor.go(Number(number));
});

/** Begin with some code, and what is asked of it, if that is known; or with none, of a link that cannot be read. */
function begin(code, { tab: first, ask, broken: cut, hint, level, seed } = {}) {
  broken = cut ? "The link is cut or was changed: the code in it cannot be read." : "";
  question.forget();
  proposed = null;
  if (TABS.includes(first)) choose(first);
  pick("hint", hint);
  if (first === "quiz" && /^\d+$/.test(seed ?? "") && pick("level", level)) {
    wanted = { level, seed: Number(seed) };
    asked = true;
    document.body.classList.add("concealed"); // the code that is right tells the answer
  }
  try {
    question.take(JSON.parse(ask ?? "{}"));
  } catch {
    // a link that somebody has cut: the code alone
  }
  editor.setText(code);
  now();
}

/** Choose a value of a menu, if it has that; whether it has. */
function pick(menu, value) {
  const is = [...at(menu).options].some((option) => option.value === value);
  if (is) at(menu).value = value;
  return is;
}

const gallery = at("gallery");
gallery.append(new Option("of your own", ""), ...site.examples.map(({ title, name }) => new Option(title.split(/[:;,.]/)[0], name)));
gallery.addEventListener("change", () => {
  begin(site.examples.find(({ name }) => name === gallery.value)?.code ?? "");
});

async function beginWithLink() {
  const held = await heldIn(location.hash);
  broken = "";
  if (held) gallery.value = "";
  return held ? (begin(held.code, held), true) : false;
}
window.addEventListener("hashchange", beginWithLink);

/** Keep the code for when this tab is loaded anew; where a browser allows none of that, it is lost. */
function keep(code) {
  try {
    sessionStorage.setItem("code", code);
  } catch {
    // storage that is full or forbidden
  }
}

function kept() {
  try {
    return sessionStorage.getItem("code");
  } catch {
    return null;
  }
}

choose("check");
python.start();
if (!(await beginWithLink()) && site.examples.length) {
  const code = kept() || site.examples[0].code;
  gallery.value = site.examples.find((example) => example.code === code)?.name ?? "";
  begin(code);
}
