"""The style of a report's page: two colour schemes, and no script."""

LETTERS_LIGHT, LETTERS_DARK = "#fdeceb", "#3a1f20"  # the least contrasting panel that letters stand on

LIGHT = (
    "--page:#ffffff;--panel:#f3f4f6;--text:#1c2128;--soft:#59616d;--line:#d5d9e0;--good:#0f6b33;--bad:#b3261e;"
    "--doubt:#7a5200;--bad-panel:#fdeceb;--good-panel:#e7f5ec;"
)
DARK = (
    "--page:#15181d;--panel:#20242b;--text:#e4e8ee;--soft:#a3adba;--line:#3a414b;--good:#63d08c;--bad:#ff8f86;"
    "--doubt:#e8b95a;--bad-panel:#3a1f20;--good-panel:#173024;"
)

STYLE = """
.einbackprop-report{box-sizing:border-box;max-width:76rem;margin:0 auto;padding:1.5rem clamp(.75rem,3vw,2.5rem) 3rem;
background:var(--page);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
body:has(>.einbackprop-report){margin:0;background:Canvas}
@media (prefers-color-scheme:dark){body:has(>.einbackprop-report){background:#15181d}}
.einbackprop-report code{font:.875rem/1.6 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
background:none;color:inherit;padding:0;border:0}
.einbackprop-report h1{font-size:1.75rem;line-height:1.25;margin:.25rem 0 1rem;font-weight:700}
.einbackprop-report h1 small{font-size:1.05rem;font-weight:400;color:var(--text)}
.einbackprop-report h2{font-size:1rem;margin:2rem 0 .6rem;font-weight:600}
.einbackprop-report :is(h1,tr).wrong,.einbackprop-report tr.wrong b{color:var(--bad)}
.einbackprop-report h1.right,.einbackprop-report tr.right b{color:var(--good)}
.einbackprop-report :is(h1.kink,h1.undecided,tr.kink b,tr.undecided b){color:var(--doubt)}
.einbackprop-report table{border-collapse:collapse;margin:0;font-size:.925rem;color:var(--text);background:none}
.einbackprop-report :is(th,td){padding:.2rem 1.25rem .2rem 0;text-align:left;font-weight:400;border:0;background:none;
vertical-align:baseline;color:var(--text)}
.einbackprop-report td:last-child{color:var(--soft);padding-right:0}
.einbackprop-report :is(.note,.remark){margin:.6rem 0 0;max-width:46rem}
.einbackprop-report .remark{border-left:.25rem solid var(--doubt);padding-left:.75rem}
.einbackprop-report .letters{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:1.5rem 0 0;color:var(--soft)}
.einbackprop-report .letters i{font-weight:700;font-size:1.1rem;font-family:"STIX Two Math","Latin Modern Math",
"Cambria Math",Georgia,serif}
.einbackprop-report .lines{border:1px solid var(--line);border-radius:.6rem;overflow:hidden;background:var(--panel)}
.einbackprop-report .line{display:grid;grid-template-columns:4.25rem minmax(0,1fr) minmax(0,1fr);gap:0 1rem;
padding:.3rem .9rem .3rem 0;align-items:baseline;border-left:.3rem solid transparent}
.einbackprop-report .line>code{white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4;padding-left:6ch;text-indent:-6ch}
.einbackprop-report .number{color:var(--soft);text-align:right;font:.8rem ui-monospace,Menlo,Consolas,monospace;
user-select:none;display:flex;justify-content:flex-end;gap:.5rem}
.einbackprop-report .number .sign{width:1rem;text-align:center;font-weight:700}
.einbackprop-report .right .sign{color:var(--good)}
.einbackprop-report .line.wrong{background:var(--bad-panel);border-left-color:var(--bad)}
.einbackprop-report .wrong .sign{color:var(--bad)}
.einbackprop-report .undecided .sign{color:var(--doubt)}
.einbackprop-report .line:is(.follows,.other)>code,.einbackprop-report .line.follows .meaning{color:var(--soft)}
.einbackprop-report .line.follows math{color:var(--soft)}
.einbackprop-report .math{min-width:0;overflow-x:auto;overflow-y:hidden}
.einbackprop-report math{font-size:1.1rem;line-height:1.3;padding-bottom:.3rem}
.einbackprop-report .meaning{display:block;font-size:.85rem;color:var(--soft)}
.einbackprop-report .gap .number{justify-content:center}
.einbackprop-report .mistake{background:var(--bad-panel);border-left:.3rem solid var(--bad);
padding:.1rem 1rem .9rem 4.95rem;overflow-x:auto}
.einbackprop-report .mistake p{margin:.35rem 0 .6rem;font-weight:600;max-width:46rem}
.einbackprop-report dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.5rem 1rem;margin:0;
align-items:baseline}
.einbackprop-report dt{color:var(--text);font-size:.875rem;font-weight:400}
.einbackprop-report dd{margin:0;min-width:0;overflow-x:auto;overflow-y:hidden}
.einbackprop-report dd>code{display:block;white-space:pre-wrap;overflow-wrap:anywhere}
.einbackprop-report dd.write code{color:var(--good);font-weight:600}
.einbackprop-report dd math+code{color:var(--soft)}
.einbackprop-report footer{color:var(--soft);font-size:.9rem}
.einbackprop-report footer h2{color:var(--text)}
.einbackprop-report footer ul{margin:0;padding-left:1.1rem;max-width:60rem}
@media (max-width:52rem){
.einbackprop-report .line{grid-template-columns:3.25rem minmax(0,1fr)}
.einbackprop-report .line .math{grid-column:2;padding:.1rem 0 .3rem}
.einbackprop-report .mistake{padding-left:1rem}
.einbackprop-report :is(th,td){padding-right:.75rem}
.einbackprop-report tr{display:flex;flex-wrap:wrap}
.einbackprop-report dl{grid-template-columns:minmax(0,1fr);gap:.15rem 0}
.einbackprop-report dd{margin-bottom:.5rem}
}
@media print{.einbackprop-report{max-width:none;padding:0}}
"""
