/** The look of the page: one style sheet, light and dark by the reader's own setting, no font or picture from elsewhere. */

export const STYLE = `
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1d2126; --soft: #646c76; --line: #e4e1dc;
  --ours: #1f6fd6; --ours-2: #12928c; --ours-3: #7a5bd0; --reference: #d0641c; --reference-2: #b58a12; --bare: #7d858f; --good: #1a7f47; --bad: #c2352e; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1c2026; --ink: #e7e9ec; --soft: #98a1ac; --line: #2f353d;
  --ours: #5ea1ff; --ours-2: #3fc6bd; --ours-3: #ac93f5; --reference: #f39355; --reference-2: #dcb74a; --bare: #99a2ad; --good: #56c789; --bad: #ff7a70; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 1240px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 3rem 0 1rem; font-size: 1.3rem; }
h3 { margin: 0; font-size: 1.05rem; }
h4 { margin: 0; font-size: .875rem; font-weight: 600; }
p { margin: .25rem 0 0; }
.soft, .hint { color: var(--soft); }
.hint { font-size: .78rem; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 1.75rem; margin: 1.25rem 0 0; }
dt { color: var(--soft); font-size: .78rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.warn { margin-top: 1.25rem; padding: .7rem 1rem; border-left: 4px solid var(--bad); background: var(--card); }
.card { margin: 0 0 1.25rem; padding: 1.1rem 1.25rem; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 1.25rem 1.75rem; margin-top: 1rem; }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; margin-bottom: .25rem; }
svg { display: block; width: 100%; max-width: 460px; height: auto; }
svg text { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
svg .name, svg .value { text-anchor: end; fill: var(--ink); } svg .unit { text-anchor: end; }
svg .tick { text-anchor: middle; }
svg .grid { stroke: var(--line); }
svg .base { stroke: var(--c); stroke-width: 2; opacity: .28; }
svg .median { stroke: var(--c); stroke-width: 2.5; }
svg circle { fill: var(--c); fill-opacity: .55; }
svg .goal { stroke-width: 1.5; stroke-dasharray: 3 3; }
svg .goal.good { stroke: var(--good); } svg .goal.bad { stroke: var(--bad); }
svg .line { fill: none; stroke: var(--c); stroke-width: 1.75; stroke-linejoin: round; }
.key { display: flex; gap: 1.1rem; } .key i { display: inline-block; width: 12px; height: 3px; margin-right: .4rem; vertical-align: middle; background: var(--c); }
.strip { --c: var(--bare); }
.c-this, .c-ours, .c-ours-idle, .c-ours-loaded { --c: var(--ours); } .c-ours-nospec, .c-ours-separate { --c: var(--ours-2); }
.c-ours-spec, .c-ours-unified { --c: var(--ours-3); } .c-reference, .c-against { --c: var(--reference); } .c-reference-spec { --c: var(--reference-2); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--soft); font-size: .875rem; } details[open] > summary { margin-bottom: .5rem; }
.problems { padding-left: 1.2rem; overflow-wrap: anywhere; font-size: .875rem; }
@media print { :root { color-scheme: light; } * { print-color-adjust: exact; } body { padding: 0; max-width: none; }
  details > * { display: block; } details::details-content { content-visibility: visible; height: auto; } .plots { grid-template-columns: 1fr 1fr; } figure { break-inside: avoid; } h2 { break-after: avoid; } }
`;
