// Keeps the dashboard's numbers fresh: one small request every two seconds, none while hidden.

const EVERY_MS = 2_000;
const ANSWER_MS = 10_000;
const SVG = "http://www.w3.org/2000/svg";
const ACTIONS = ["allow", "flag", "hold", "block"];
const NAMES = { allow: "Allowed", flag: "Flagged", hold: "Held", block: "Blocked" };
const POINTS = 60;

const source = document.getElementById("dashboard").dataset.source;
const history = { connected: [], pending: [] };
const number = new Intl.NumberFormat();
const byId = (id) => document.getElementById(id);
let timer = 0;

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function age(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

function spark(id, value) {
  const values = history[id];
  values.push(value);
  if (values.length > POINTS) values.shift();
  if (new Set(values).size < 2) {
    byId(`${id}-spark`).replaceChildren(); // A flat line tells nothing.
    return;
  }
  const top = Math.max(1, ...values);
  const x = (index) => (index * 120) / (values.length - 1);
  const points = values.map((each, index) => `${x(index).toFixed(1)},${(30 - (each / top) * 27).toFixed(1)}`);
  byId(`${id}-spark`).replaceChildren(shape("polyline", { points: points.join(" ") }));
}

function showReady({ ready, failures }) {
  const wrong = [ready.ok === false && ready.detail, ...failures].filter(Boolean).join("; ");
  byId("ready").dataset.state = wrong ? "bad" : ready.ok ? "ok" : "unknown";
  say("ready", wrong ? `Not ready: ${wrong}` : ready.ok ? "Ready to judge" : "Checking…");
}

function showLive({ live, connected }) {
  showConnected(connected, live?.sessions);
  say("pending", live ? number.format(live.pending) : "–");
  say("pending-under", live ? waiting(live) : "");
  if (live) spark("pending", live.pending);
}

// Without Redis or the database the count is not known, which is not 0.
function showConnected(connected, sessions) {
  const isKnown = Number.isInteger(connected);
  say("connected", isKnown ? number.format(connected) : "–");
  say("connected-under", isKnown ? bySite(sessions) : "");
  if (isKnown) spark("connected", connected);
}

function waiting({ pending, oldest_pending_ms }) {
  return pending ? `oldest ${age(oldest_pending_ms)}` : "nothing waits";
}

function bySite(sessions) {
  const sites = Object.entries(sessions).filter(([, count]) => count);
  return sites.length > 1 ? sites.map(([site, count]) => `${site} ${count}`).join(" · ") : "sessions";
}

function showHour({ recent, actions }) {
  if (!recent) return;
  const total = ACTIONS.reduce((sum, name) => sum + actions[name], 0);
  const kept = actions.hold + actions.block;
  say("judged", number.format(total));
  say("kept", total ? `${((100 * kept) / total).toFixed(kept ? 1 : 0)} %` : "0 %");
  say("kept-under", `${number.format(actions.hold)} held, ${number.format(actions.block)} blocked`);
  byId("legend").replaceChildren(...ACTIONS.map((name) => {
    const text = `${NAMES[name]} ${number.format(actions[name])}`;
    return make("li", { "data-action": name }, text);
  }));
  byId("quiet").hidden = total > 0;
  drawChart(recent.by_minute);
}

function drawChart(rows) {
  const sums = rows.allow.map((_, at) => ACTIONS.reduce((sum, name) => sum + rows[name][at], 0));
  const top = Math.max(1, ...sums);
  const bars = [];
  sums.forEach((_, at) => {
    let base = 118;
    for (const name of ACTIONS) {
      const height = (rows[name][at] / top) * 112;
      base -= height;
      const place = { x: at * 10 + 1, y: base.toFixed(2), width: 8, height: height.toFixed(2) };
      if (height) bars.push(shape("rect", { ...place, "data-action": name }));
    }
  });
  bars.unshift(shape("line", { x1: 0, x2: 600, y1: 119, y2: 119 }));
  byId("chart").replaceChildren(...bars);
  const peak = Math.max(...sums);
  say("peak", peak ? `peak ${number.format(peak)} a minute` : "");
}

function workerRows(worker) {
  const models = worker.models.length ? worker.models : [{ plugin: "–", version: "none loaded", provider: "–" }];
  const state = worker.busy_ms ? `judging for ${age(worker.busy_ms)}` : "waiting";
  const rows = models.map((model, index) => {
    const row = make("tr", { role: "row" });
    if (index === 0) {
      const head = { scope: "rowgroup", role: "rowheader", rowspan: models.length };
      row.append(make("th", head, worker.id, make("small", {}, `process ${worker.pid}`)));
      const pill = make("span", { class: "pill", "data-state": worker.busy_ms ? "busy" : "idle" }, state);
      row.append(make("td", { role: "cell", rowspan: models.length, class: "state" }, pill));
    }
    row.append(cell(model.plugin), cell(model.version, "mono"), cell(provider(model)));
    return row;
  });
  for (const [plugin, text] of Object.entries(worker.errors)) {
    rows.push(make("tr", { class: "wrong" }, make("td", { colspan: 5 }, `${plugin}: ${text}`)));
  }
  return rows;
}

function cell(text, look = "") {
  return make("td", { role: "cell", class: look }, text);
}

function provider(model) {
  return model.provider.replace(/ExecutionProvider$/, "") || "–";
}

function showWorkers({ live, active }) {
  const workers = live ? live.workers : [];
  const why = live ? "No worker is alive." : "Workers are not known: Redis does not answer.";
  const none = make("tr", {}, make("td", { colspan: 5, class: "none" }, why));
  const rows = workers.length ? workers.flatMap(workerRows) : [none];
  const sign = rows.map((row) => row.textContent).join("\n");
  const body = byId("worker-rows");
  if (body.dataset.sign !== sign) body.replaceChildren(...rows);
  body.dataset.sign = sign;
  say("active", active.length ? `Active: ${active.map((each) => each.model).join(", ")}` : "");
}

function show(found) {
  showReady(found);
  showLive(found);
  showHour(found);
  showWorkers(found);
  say("updated", `Updated ${new Date(found.now_ms).toLocaleTimeString()}`);
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(source, { headers: { Accept: "application/json" }, signal });
    if (response.status === 403) location.reload();
    else if (!response.ok) throw new Error(`status ${response.status}`);
    else show(await response.json());
  } catch (error) {
    showReady({ ready: { ok: null }, failures: [`the server does not answer (${error.message})`] });
  }
  timer = setTimeout(look, EVERY_MS);
}

document.addEventListener("visibilitychange", look);
look();
