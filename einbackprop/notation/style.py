"""The style of what is shown in a browser: two schemes of colours, and one sheet for pages and notebooks.

A notebook has styles of its own for tables, code and headings. The class stands twice in each selector of ours, so that
it goes before them.
"""

LETTERS_LIGHT, LETTERS_DARK = "#fdeceb", "#3a1f20"  # the least contrasting panel that letters stand on

LIGHT = (
    "--page:#ffffff;--panel:#f3f4f6;--text:#1c2128;--soft:#59616d;--line:#d5d9e0;--good:#0f6b33;--bad:#b3261e;"
    "--doubt:#7a5200;--bad-panel:#fdeceb;--good-panel:#e7f5ec;"
)
DARK = (
    "--page:#15181d;--panel:#20242b;--text:#e4e8ee;--soft:#a3adba;--line:#3a414b;--good:#63d08c;--bad:#ff8f86;"
    "--doubt:#e8b95a;--bad-panel:#3a1f20;--good-panel:#173024;"
)

ROOT = ".einbackprop.einbackprop"
IN_LIGHT = ('[data-jp-theme-light="true"]', ".vscode-light")
IN_DARK = ('[data-jp-theme-light="false"]', ".vscode-dark", ".vscode-high-contrast")
"""How JupyterLab and Visual Studio Code mark the scheme that a notebook is shown in."""


def schemes(light: str, dark: str) -> str:
    """The variables of either scheme: that of the notebook, or else that of the system."""

    def inside(marks: tuple[str, ...]) -> str:
        return ",".join(f"{mark} {ROOT}" for mark in marks)

    return (
        f"{ROOT}{{{LIGHT}{light}}}@media (prefers-color-scheme:dark){{{ROOT}{{{DARK}{dark}}}}}"
        f"{inside(IN_LIGHT)}{{{LIGHT}{light}}}{inside(IN_DARK)}{{{DARK}{dark}}}"
    )


MONOSPACE = 'ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace'

SHEET = """
@{box-sizing:border-box;container-type:inline-size;max-width:84rem;margin:0 auto;
padding:1.5rem clamp(.75rem,3vw,2.5rem) 3rem;background:var(--page);color:var(--text);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;text-align:left}
body:has(>@){margin:0;background:Canvas}
@media (prefers-color-scheme:dark){body:has(>@){background:#15181d}}
body:not(:has(>@)) @{padding:1rem}
@ code{font:.875rem/1.6 MONOSPACE;background:none;color:inherit;padding:0;border:0}
@ a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.2em}
@ h1{font-size:1.75rem;line-height:1.25;margin:.25rem 0 1rem;font-weight:700;overflow-wrap:anywhere}
@ h1 small{font-size:1.05rem;font-weight:400;color:var(--text)}
@ h2{font-size:1rem;line-height:1.55;margin:2rem 0 .6rem;font-weight:600;overflow-wrap:anywhere}
@ section:first-of-type h2{margin-top:1rem}
@ :is(h1,tr).wrong,@ tr.wrong b{color:var(--bad)}
@ h1.right,@ tr.right b{color:var(--good)}
@ :is(h1.kink,h1.undecided,tr.kink b,tr.undecided b){color:var(--doubt)}
@ table{border-collapse:collapse;table-layout:auto;margin:0;font-size:.925rem;color:var(--text);background:none}
@ tbody tr:nth-child(n){background:none}
@ :is(th,td){padding:.2rem 1.25rem .2rem 0;text-align:left;font-weight:400;border:0;background:none;
vertical-align:baseline;color:var(--text);line-height:1.55;white-space:normal;overflow-wrap:anywhere}
@ .plan :is(th,td):is(:nth-child(3),:nth-child(4)){text-align:right}
@ td:last-child{color:var(--soft);padding-right:0}
@ :is(p.note,.remark){margin:.6rem 0 0;max-width:46rem}
@ .remark{border-left:.25rem solid var(--doubt);padding-left:.75rem}
@ .letters{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:1rem 0;color:var(--soft)}
@ .letters i{font-weight:700;font-size:1.1rem;font-family:MATHS,Georgia,serif}
@ .lines{border:1px solid var(--line);border-radius:.6rem;overflow:hidden;background:var(--panel)}
@ .line{display:grid;grid-template-columns:4.25rem minmax(0,1fr) minmax(0,1fr);gap:0 1rem;
padding:.3rem .9rem .3rem 0;align-items:baseline;border-left:.3rem solid transparent}
@ .line>code{white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4}
@ .line>code>span{display:block;padding-left:6ch;text-indent:-6ch}
@ .number{color:var(--soft);text-align:right;font:.8rem MONOSPACE;user-select:none;display:flex;
justify-content:flex-end;gap:.5rem}
@ .number .sign{width:1rem;text-align:center;font-weight:700}
@ .right .sign{color:var(--good)}
@ .line.wrong{background:var(--bad-panel);border-left-color:var(--bad)}
@ .wrong .sign{color:var(--bad)}
@ .undecided .sign{color:var(--doubt)}
@ .line:is(.follows,.other)>code,@ .line.follows .meaning{color:var(--soft)}
@ .line.follows math{color:var(--soft)}
@ .math{min-width:0}
@ .formula{display:block;padding-left:2rem;text-indent:-2rem;line-height:1.9;overflow-wrap:anywhere}
@ .formula code{text-indent:0}
@ math{font-size:1.2rem;line-height:1.3;text-indent:0;font-family:MATHS,math}
@ :is(.meaning,.also){display:block;font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
@ .also{display:flex;flex-wrap:wrap;gap:0 1.5rem;align-items:baseline}
@ .also code{font-size:.8rem}
@ .aliases{display:flex;flex-wrap:wrap;gap:0 1.5rem;color:var(--soft)}
@ .aliases math{font-size:1.05rem}
@ .meaning{color:var(--text)}
@ .math>*+.formula{margin-top:.4rem}
@ .line.other{padding-top:0;padding-bottom:0}
@ .gap .number{justify-content:center}
@ .mistake{background:var(--bad-panel);border-left:.3rem solid var(--bad);padding:.1rem 1rem .9rem 4.95rem}
@ .mistake p{margin:.35rem 0 .6rem;font-weight:600;max-width:46rem}
@ dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.5rem 1rem;margin:0;align-items:baseline}
@ dt{color:var(--text);font-size:.875rem;font-weight:400;float:none;width:auto}
@ dd{margin:0;min-width:0}
@ dd>code{display:block;white-space:pre-wrap;overflow-wrap:anywhere}
@ dd.write code{color:var(--good);font-weight:600}
@ dd .formula+code{color:var(--soft)}
@ .rows{display:grid;grid-template-columns:max-content minmax(0,max-content) minmax(12rem,1fr);gap:.35rem;
align-items:baseline;padding-left:1.5rem}
@ .rows>.left{text-align:right}
@ .rows>.note{color:var(--soft);padding-left:2rem;font-size:.925rem}
@ .rows>.wide{grid-column:1/-1}
@ .rows .formula{padding-left:2.2rem;text-indent:-2.2rem}
@ .rows .left .formula{padding:0;text-indent:0}
@ .rows code{white-space:pre-wrap;overflow-wrap:anywhere}
@ pre{white-space:pre-wrap;overflow-wrap:anywhere;background:none;color:inherit;padding:0;margin:0;
font:.875rem/1.6 MONOSPACE}
@ figure{margin:1.25rem 0;padding:0}
@ figure svg{display:block;max-width:100%;height:auto;margin:0 auto}
@ section>figure:has(+.rows) svg{margin:0 0 0 1.5rem}
@ .drawing text{font:12.5px MONOSPACE;fill:var(--text)}
@ .drawing .sub{font-size:10.5px;font-weight:600}
@ .drawing .letters{font-size:11px;font-weight:600}
@ .drawing .name{font-weight:400;fill:var(--soft)}
@ .drawing .edge{fill:none;stroke:var(--soft);stroke-width:1.2}
@ .drawing .head{fill:var(--soft)}
@ .drawing rect{fill:var(--panel);stroke:var(--soft)}
@ .drawing .gradient{fill:var(--good-panel);stroke:var(--good)}
@ .drawing .dot{stroke:none}
@ .drawing .node:hover .edge{stroke:var(--text);stroke-width:2.4}
@ footer{color:var(--soft);font-size:.9rem}
@ footer h2{color:var(--text)}
@ footer ul{margin:0;padding-left:1.1rem;max-width:60rem;list-style:disc}
@container (max-width:52rem){
@ .line{grid-template-columns:3.25rem minmax(0,1fr)}
@ .line .math{grid-column:2;padding:.1rem 0 .3rem}
@ .mistake{padding-left:1rem}
@ :is(th,td){padding-right:.75rem}
@ tr{display:flex;flex-wrap:wrap}
@ dl{grid-template-columns:minmax(0,1fr);gap:.15rem 0}
@ dd{margin-bottom:.5rem}
@ .rows{grid-template-columns:fit-content(40%) minmax(0,1fr);padding-left:0}
@ .rows>.note{grid-column:2;padding:0 0 .4rem 1rem}
@ .rows>.note:empty{display:none}
@ .rows>.wide{grid-column:1/-1}
}
@container (max-width:30rem){@ .line{grid-template-columns:2.25rem minmax(0,1fr)}@ math{font-size:1.05rem}
@ .formula{padding-left:1rem;text-indent:-1rem}}
@media print{@{max-width:none;padding:0}@ .line{break-inside:avoid}}
"""

MATHS = '"STIX Two Math","Latin Modern Math","Cambria Math"'
STYLE = (
    SHEET.replace("@{", f"{ROOT}{{").replace("@)", f"{ROOT})").replace("@ ", f"{ROOT} ")
    .replace("MONOSPACE", MONOSPACE).replace("MATHS", MATHS)
)  # fmt: skip
