// How the widget looks. A page may set --rtai-accent, --rtai-height, --rtai-radius and --rtai-font.

const hueRule = (_, n) => `.face[data-hue="${n}"] { background: oklch(46% .1 ${n * 45}) }`;
const HUE_RULES = Array.from({ length: 8 }, hueRule).join("");

export const STYLE = `
:host {
  color-scheme: light dark; display: block; max-width: 100%;
  height: var(--rtai-height, 560px); min-height: 320px;
  --ink: light-dark(#17201f, #e8eeec); --soft: light-dark(#55625f, #a6b3b0);
  --faint: light-dark(#687572, #8a9996); --line: light-dark(#dfe5e4, #2c3836);
  --paper: light-dark(#fff, #141b1a); --wash: light-dark(#f2f6f5, #1f2928);
  --accent: var(--rtai-accent, light-dark(#0b6e62, #5fd3c1));
  --on-accent: light-dark(#fff, #06231f); --mine: light-dark(#e0f1ee, #173a35);
  --warn: light-dark(#7d4b00, #f2c063); --warn-wash: light-dark(#fff4de, #33280f);
  --bad: light-dark(#a8241c, #ff9c93); --bad-wash: light-dark(#fdeceb, #3a1b19);
  --shade: 0 8px 28px -12px rgb(10 30 28 / 22%);
}
:host([hidden]) { display: none }
:host([data-theme="light"]) { color-scheme: light }
:host([data-theme="dark"]) { color-scheme: dark }
* { box-sizing: border-box }
.panel {
  display: flex; flex-direction: column; height: 100%; overflow: hidden; position: relative;
  color: var(--ink); background: var(--paper); border: 1px solid var(--line);
  border-radius: var(--rtai-radius, 16px); box-shadow: var(--shade);
  font: 15px/1.45 var(--rtai-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  text-align: start;
}
button, textarea, input { font: inherit; color: inherit; margin: 0 }
button { cursor: pointer; border: 0; background: none; padding: 0 }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
[hidden] { display: none !important }
.away, .same .by, .mine .by b { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
header { display: flex; align-items: center; gap: 10px; padding: 12px 16px; border-bottom: 1px solid var(--line) }
h2 { font-size: 16px; line-height: 1.3; font-weight: 650; margin: 0; flex: 1; min-width: 0; overflow-wrap: anywhere }
.live { display: inline-flex; align-items: center; gap: 6px; font-size: 12.5px; color: var(--soft) }
.live::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--faint) }
.live[data-state="open"]::before { background: #16a37f }
.live[data-state="closed"]::before { background: var(--bad) }
.who { display: flex; align-items: center; gap: 6px; max-width: 45%; font-size: 13px; color: var(--soft); border-radius: 99px; padding: 4px 10px; border: 1px solid var(--line) }
.who:hover { color: var(--ink); border-color: var(--faint) }
.who span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.who svg { width: 12px; height: 12px; flex: none }
.rename { display: flex; gap: 8px; padding: 10px 16px; border-bottom: 1px solid var(--line); background: var(--wash) }
.rename input { flex: 1; min-width: 0; padding: 6px 12px; border: 1px solid var(--faint); border-radius: 10px; background: var(--paper) }
.banner { padding: 7px 16px; font-size: 13px; color: var(--warn); background: var(--warn-wash); border-bottom: 1px solid var(--line); display: flex; gap: 12px; justify-content: space-between }
.banner[data-kind="closed"] { color: var(--bad); background: var(--bad-wash) }
.log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 12px 16px 4px; scroll-padding: 12px; outline-offset: -2px }
.empty { height: 100%; display: flex; flex-direction: column; align-items: center; justify-content: center; text-align: center; color: var(--soft); gap: 4px; padding: 0 24px }
.empty svg { width: 40px; height: 40px; color: var(--accent) }
.empty b { color: var(--ink); font-weight: 600 }
.item { display: grid; grid-template-columns: 34px minmax(0, 1fr); column-gap: 10px; margin-top: 14px }
.item.same { margin-top: 3px }
.item.same .face { display: none }
.face { width: 34px; height: 34px; border-radius: 50%; display: grid; place-items: center; font-size: 12.5px; font-weight: 650; color: #fff; background: #4a5a58; grid-row: span 3 }
${HUE_RULES}
.by { grid-column: 2; display: flex; gap: 8px; align-items: baseline; min-width: 0; margin-bottom: 2px }
.by b { font-size: 13.5px; font-weight: 620; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
time { font-size: 12px; color: var(--faint); flex: none; font-variant-numeric: tabular-nums }
.text { grid-column: 2; margin: 0; width: fit-content; max-width: 100%; padding: 7px 12px; border-radius: 4px 14px 14px 14px; background: var(--wash); white-space: pre-wrap; overflow-wrap: anywhere }
.same .text { border-radius: 14px }
.answer .face { background: var(--accent); color: var(--on-accent) }
.answer .face svg { width: 20px; height: 20px }
.answer .text { background: none; border: 1px solid var(--line); padding: 6px 11px }
.answer .note { justify-content: start; text-align: start; margin-top: 5px }
[data-status="growing"] .text::after { content: ""; display: inline-block; width: .5em; height: 1em; margin-inline-start: 2px; vertical-align: -.12em; border-radius: 2px; background: var(--accent) }
[data-status="waiting"] .text, [data-status="refused"] .text, [data-status="erased"] .text { display: none }
[data-status="broken"] .note span, [data-status="refused"] .note span, [data-status="erased"] .note span { color: var(--warn) }
.mine { grid-template-columns: minmax(0, 1fr); justify-items: end; padding-inline-start: 44px }
.mine .face { display: none }
.mine .by, .mine .text, .mine .note { grid-column: 1 }
.mine .text { background: var(--mine); border-radius: 14px 4px 14px 14px }
.mine.same .text { border-radius: 14px }
.note { grid-column: 2; display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; justify-content: end; font-size: 12.5px; color: var(--soft); margin-top: 3px; text-align: end }
.note svg { width: 14px; height: 14px; flex: none }
.note span { display: inline-flex; align-items: center; gap: 5px }
.acts { display: flex; gap: 10px }
.note .stop { display: inline-flex; align-items: center; gap: 5px; padding: 0 10px 0 7px; border: 1px solid var(--faint); border-radius: 99px; color: var(--ink); text-decoration: none }
.note .stop:hover { border-color: var(--ink) }
.note .stop svg { fill: currentColor }
.note button, .banner button { font-weight: 600; color: var(--accent); text-decoration: underline; min-height: 24px; padding: 0 2px; white-space: nowrap }
[data-status="pending"] .text { opacity: .65 }
[data-status="held"] .text { background: var(--warn-wash) }
[data-status="held"] .note span { color: var(--warn) }
[data-status="rejected"] .text, [data-status="failed"] .text { background: var(--bad-wash) }
[data-status="rejected"] .note span, [data-status="failed"] .note span { color: var(--bad) }
.foot { position: relative; padding: 4px 12px 12px }
.typing { min-height: 22px; padding: 0 6px; font-size: 12.5px; color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.newer { position: absolute; left: 50%; translate: -50% 0; bottom: calc(100% + 4px); padding: 6px 14px; border-radius: 99px; font-size: 13px; font-weight: 600; color: var(--on-accent); background: var(--accent); box-shadow: var(--shade); white-space: nowrap }
form.box { display: flex; align-items: flex-end; gap: 8px; border: 1px solid var(--faint); border-radius: 14px; padding: 5px 5px 5px 14px; background: var(--paper) }
form.box:dir(rtl) { padding: 5px 14px 5px 5px }
form.box:focus-within { border-color: var(--accent); outline: 1px solid var(--accent) }
textarea:focus-visible { outline: 0 }
textarea { flex: 1; min-width: 0; resize: none; border: 0; background: none; padding: 6px 0; max-height: 148px; field-sizing: content; font-size: 16px; line-height: 22px }
textarea::placeholder { color: var(--faint); opacity: 1 }
.send { width: 36px; height: 36px; border-radius: 10px; display: grid; place-items: center; flex: none; color: var(--on-accent); background: var(--accent) }
.send[aria-disabled="true"] { color: var(--faint); background: var(--wash); cursor: default }
.send svg { width: 18px; height: 18px }
.ask { height: 36px; border-radius: 10px; display: flex; align-items: center; gap: 5px; flex: none; padding: 0 11px 0 8px; font-weight: 600; font-size: 14px; color: var(--accent); border: 1px solid var(--line) }
.ask:hover { border-color: var(--accent) }
.ask[aria-disabled="true"] { color: var(--faint); border-color: var(--line); cursor: default }
.ask svg { width: 17px; height: 17px }
:host(:dir(rtl)) .send svg { scale: -1 1 }
.hint { display: flex; justify-content: space-between; gap: 12px; margin: 6px 6px 0; font-size: 12px; color: var(--faint) }
.hint .over { color: var(--bad); font-weight: 600 }
.small { padding: 6px 14px; border-radius: 10px; font-weight: 600; color: var(--on-accent); background: var(--accent) }
@media (prefers-reduced-motion: no-preference) {
  .item.new { animation: rise .18s ease-out }
  @keyframes rise { from { opacity: 0; translate: 0 6px } }
  [data-status="pending"] .note svg, [data-status="waiting"] .note span svg { animation: turn 1.2s linear infinite }
  [data-status="growing"] .text::after { animation: blink 1s steps(2, jump-none) infinite }
  @keyframes blink { to { opacity: 0 } }
  @keyframes turn { to { rotate: 1turn } }
}
@media (forced-colors: active) {
  .text, .face, .newer, .send, .small { border: 1px solid }
  .live::before { background: CanvasText }
}
`;
