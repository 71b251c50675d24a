// A letter lights up wherever it stands, when it is pointed at or has the focus: its colour is a variable that is called
// after it.

const lit = document.head.appendChild(document.createElement("style"));

function light({ target }) {
  const letter = /--of-([^)]+)\)/.exec(target.closest?.('[style*="--of-"]')?.getAttribute("style") ?? "")?.[1];
  const own = `[style*="(--of-${letter})"]`;
  const mark = "color-mix(in srgb, currentColor 18%, transparent)";
  lit.textContent = letter
    ? `:is(mi, i, text, tspan)${own} { background: ${mark}; box-shadow: 0 0 0 .12em ${mark}; border-radius: .15em;
        text-decoration: underline; font-weight: 700 }
       path${own} { stroke-width: 3.5px }`
    : "";
}

for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, light);
