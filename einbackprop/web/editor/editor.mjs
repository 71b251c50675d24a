// The editor of the page: CodeMirror with Python, and marks on lines. In go a place to stand and functions to call; out
// comes an object with the few things that the page does with it.

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, RangeSet, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration, drawSelection, EditorView, gutter, GutterMarker, highlightActiveLine, highlightActiveLineGutter, keymap,
  lineNumbers, placeholder, WidgetType,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

const SIGNS = { wrong: "✗", stopped: "!", follows: "↳" };
const SAID = { wrong: "this line is wrong", stopped: "the code stops here", follows: "wrong only because of another line" };

const setMarks = StateEffect.define();

class Sign extends GutterMarker {
  constructor(kind) {
    super();
    this.kind = kind;
  }
  eq(other) {
    return other.kind === this.kind;
  }
  toDOM() {
    const sign = document.createElement("span");
    sign.className = `sign ${this.kind}`;
    sign.textContent = SIGNS[this.kind];
    sign.title = SAID[this.kind];
    sign.setAttribute("aria-label", SAID[this.kind]);
    return sign;
  }
}

// What is said below a line; the page makes the element.
class Below extends WidgetType {
  constructor(element) {
    super();
    this.element = element;
  }
  eq(other) {
    return other.element === this.element;
  }
  toDOM() {
    return this.element;
  }
  ignoreEvent() {
    return true;
  }
}

function marksOf(state, marks) {
  const lines = [], signs = [];
  for (const { line, kind, below } of [...marks].sort((one, two) => one.line - two.line)) {
    if (line < 1 || line > state.doc.lines) continue;
    const { from, to } = state.doc.line(line);
    lines.push(Decoration.line({ class: `mark ${kind}` }).range(from));
    signs.push(new Sign(kind).range(from));
    if (below) lines.push(Decoration.widget({ widget: new Below(below), block: true, side: 1 }).range(to));
  }
  return { lines: Decoration.set(lines, true), signs: RangeSet.of(signs, true) };
}

const marked = StateField.define({
  create: () => ({ lines: Decoration.none, signs: RangeSet.empty }),
  update(value, transaction) {
    let { lines, signs } = value;
    if (transaction.docChanged) {
      lines = lines.map(transaction.changes);
      signs = signs.map(transaction.changes);
    }
    for (const effect of transaction.effects) if (effect.is(setMarks)) return marksOf(transaction.state, effect.value);
    return lines === value.lines && signs === value.signs ? value : { lines, signs };
  },
  provide: (field) => EditorView.decorations.from(field, (value) => value.lines),
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], fontWeight: "600" },
  { tag: tags.meta, color: "var(--soft)" },
]);

/**
 * An editor inside an element.
 *
 * `changed(text)` is called after each change, `moved(line)` when the cursor is moved, `run()` on Ctrl-Enter, and
 * `mend(line)` on Ctrl-. The object that is returned
 * has `text`, `setText(text)`, `edit(edits)` with edits `[from, to, text]`, `mark(marks)` with marks
 * `{line, kind, below}`, `go(line)` and `focus()`.
 */
export function createEditor(parent, { label, hint, changed, moved, run, mend }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        lineNumbers(),
        gutter({ class: "signs", markers: (view) => view.state.field(marked).signs, initialSpacer: () => new Sign("wrong") }),
        highlightActiveLineGutter(), EditorView.lineWrapping, history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(),
        indentUnit.of("    "), EditorState.tabSize.of(4),
        python(), syntaxHighlighting(colours), marked, placeholder(hint),
        EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
        keymap.of([
          { key: "Mod-Enter", run: () => (run(), true) },
          { key: "Mod-.", run: (view) => (mend(view.state.doc.lineAt(view.state.selection.main.head).number), true) },
          ...defaultKeymap, ...historyKeymap, indentWithTab,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.state.doc.toString());
          else if (update.selectionSet) moved(update.state.doc.lineAt(update.state.selection.main.head).number);
        }),
      ],
    }),
  });
  return {
    get text() {
      return view.state.doc.toString();
    },
    setText(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: 0 },
                      effects: setMarks.of([]), scrollIntoView: true });
    },
    edit(edits) {
      view.dispatch({ changes: edits.map(([from, to, insert]) => ({ from, to, insert })) });
    },
    mark(marks) {
      view.dispatch({ effects: setMarks.of(marks) });
    },
    go(line) {
      const { from } = view.state.doc.line(Math.max(1, Math.min(line, view.state.doc.lines)));
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    },
    focus() {
      view.focus();
    },
  };
}
