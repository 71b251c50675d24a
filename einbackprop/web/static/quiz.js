// A quiz: one mistake in the code, whose line the reader finds.

const INTRODUCTION = "One mistake is put into a backward that is right, of a kind that people make: a sign, a transpose or "
  + "an operand at level 1; a factor, an axis or a derivative at level 2; a missing path, an index or an order at level 3. "
  + "You find the line.";

/** What stands in the place of an answer before there is a quiz. */
export function introduction(start) {
  const button = made("button", { type: "button", textContent: "Put a mistake in", className: "primary" });
  button.addEventListener("click", start);
  return box(made("p", { textContent: INTRODUCTION }), button);
}

/**
 * The quiz as an element: what is asked, and a place for the answer.
 *
 * `quiz` is what the page's Python has made. `solved()` is called when the line was found, and `shown()` when it is to be
 * shown instead. The element's `at(line)` takes the line that the cursor is on.
 */
export function game(quiz, { solved, shown, another }) {
  const form = made("form", { className: "answer", autocomplete: "off" });
  const label = made("label", { textContent: "Which line is it? " });
  const line = made("input", { type: "number", min: 1, required: true });
  label.append(line);
  const said = made("p", { className: "said" });
  said.setAttribute("role", "status");
  const give = made("button", { type: "submit", textContent: "That is the line", className: "primary" });
  const show = made("button", { type: "button", textContent: "Show it" });
  const next = made("button", { type: "button", textContent: "Another one" });
  form.append(label, give, show, next);
  const end = (words, right) => {
    said.textContent = `${words} The mistake is about ${quiz.kind}.`;
    said.classList.toggle("right", right);
    give.disabled = show.disabled = true;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Number(line.value);
    if (given < quiz.first || given > quiz.last) {
      said.textContent = `No, line ${given} is not the one.`;
      return;
    }
    end(`Right: line ${quiz.line} it is.`, true);
    solved();
  });
  show.addEventListener("click", () => {
    end(`It is line ${quiz.line}.`, false);
    shown();
  });
  next.addEventListener("click", another);
  const element = box(made("p", { className: "asked", textContent: quiz.asked }),
    made("p", { textContent: "Click on a line of the code, or type its number." }), form, said);
  element.at = (number) => {
    if (!give.disabled) line.value = number;
  };
  return element;
}

/** The mark on the line of a quiz that is over, with what it should be. */
export function mark(quiz) {
  const lines = quiz.code.split("\n");
  const before = lines.slice(0, quiz.line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const text = lines[quiz.line - 1];
  const start = before + text.length - text.trimStart().length;
  return { line: quiz.line, kind: "wrong", message: `The mistake is about ${quiz.kind}.`, html: "", write: quiz.original,
    edits: [[start, before + text.trimEnd().length, quiz.original]] };
}

function made(name, about) {
  return Object.assign(document.createElement(name), about);
}

function box(...parts) {
  const element = made("div", { className: "quiz" });
  element.append(...parts);
  return element;
}
